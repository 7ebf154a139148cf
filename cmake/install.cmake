# What `cmake --install` and `cpack -G DEB` put in place besides the libraries and the tool, whose rules stand beside
# their targets: man pages and the others, sinter.pc, the CMake package, the control fields of the Debian package. All of
# it may be moved: paths are relative to where the files lie.
include(CMakePackageConfigHelpers)
set(CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/sinter)

install(EXPORT sinterTargets NAMESPACE sinter:: DESTINATION ${CMAKE_DIR})
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/sinterConfig.cmake.in ${CMAKE_BINARY_DIR}/sinterConfig.cmake
                              INSTALL_DESTINATION ${CMAKE_DIR})
# Until 1.0 a new minor version may change the API.
write_basic_package_version_file(${CMAKE_BINARY_DIR}/sinterConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/sinterConfig.cmake ${CMAKE_BINARY_DIR}/sinterConfigVersion.cmake
        DESTINATION ${CMAKE_DIR})

file(RELATIVE_PATH PC_PREFIX ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
string(REGEX REPLACE "/$" "" PC_PREFIX "\${pcfiledir}/${PC_PREFIX}")
foreach(dir LIBDIR INCLUDEDIR)
  set(PC_${dir} "\${prefix}/${CMAKE_INSTALL_${dir}}")
  if(IS_ABSOLUTE "${CMAKE_INSTALL_${dir}}")
    set(PC_${dir} "${CMAKE_INSTALL_${dir}}")
  endif()
endforeach()
configure_file(${CMAKE_CURRENT_LIST_DIR}/sinter.pc.in ${CMAKE_BINARY_DIR}/sinter.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/sinter.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

install(FILES ${PROJECT_SOURCE_DIR}/man/sinter.1 ${PROJECT_SOURCE_DIR}/man/sinter-cache.1
        DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
# Links among the pages lead where they lead in the sources.
install(FILES ${PROJECT_SOURCE_DIR}/README.md ${PROJECT_SOURCE_DIR}/CHANGELOG.md ${PROJECT_SOURCE_DIR}/LICENSE
        DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/docs DESTINATION ${CMAKE_INSTALL_DOCDIR})

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME sinter)
set(CPACK_PACKAGE_CONTACT "The Sinter authors <sinter@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "compiler for tensor expression graphs, as a C library")
set(CPACK_PACKAGE_DESCRIPTION
    "Programs describe tensor computations as expressions; Sinter differentiates
them, fuses them into a few kernels and compiles these to native code when they
are loaded. Holds the library, its header, the code generator, which is opened
only when a kernel has to be compiled, and the tool sinter.")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION libdevel)
# Opened by name where a function has a large matrix product; the flavour with threads may be called by several at
# once.
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "libopenblas0-pthread | libopenblas0-serial")
find_program(DPKG_SHLIBDEPS dpkg-shlibdeps)
find_program(FILE_PROGRAM file) # CPack needs it besides
if(DPKG_SHLIBDEPS AND FILE_PROGRAM)
  set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
elseif(SINTER_LLVM)
  set(CPACK_DEBIAN_PACKAGE_DEPENDS "libc6, libstdc++6, zlib1g, libzstd1, libllvm19")
else()
  set(CPACK_DEBIAN_PACKAGE_DEPENDS libc6)
endif()
include(CPack)
