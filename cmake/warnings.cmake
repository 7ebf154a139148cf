# Warnings for our own code; they are errors in the presets of developers and of continuous integration.
option(SINTER_WERROR "Warnings are errors" OFF)
function(sinter_warnings target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wconversion)
  if(SINTER_SANITIZE AND CMAKE_C_COMPILER_ID STREQUAL GNU)
    # These follow the flow of values, which instrumentation hides from GCC: false alarms.
    target_compile_options(${target} PRIVATE -Wno-maybe-uninitialized -Wno-format-truncation)
  endif()
  if(SINTER_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
endfunction()
