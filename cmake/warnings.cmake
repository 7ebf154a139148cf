# Warnings for our own code; they are errors in the presets of developers and of continuous integration.
option(SINTER_WERROR "Warnings are errors" OFF)
function(sinter_warnings target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wconversion)
  if(SINTER_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
endfunction()
