# Debian packages, by `cpack` in a build folder that was configured with -DCMAKE_INSTALL_PREFIX=/usr (tools/build_deb.sh):
# liboctavo0 is the C interface, liboctavo-dev headers and the static C++ library, octavo the command.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME octavo)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(OCTAVO_MAINTAINER "octavo developers <octavo@octavo.invalid>" CACHE STRING "Whom the Debian packages name")
set(CPACK_PACKAGE_CONTACT ${OCTAVO_MAINTAINER})
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY ${PROJECT_DESCRIPTION})
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ
                                                WORLD_EXECUTE)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_ENABLE_COMPONENT_DEPENDS ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)

set(CPACK_DEBIAN_RUNTIME_PACKAGE_NAME liboctavo0)
set(CPACK_DEBIAN_RUNTIME_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_RUNTIME_DESCRIPTION "BERT, OPT and ViT in 8-bit integers - C interface
 The C interface of octavo, which runs transformer encoders, small
 decoders and picture classifiers wholly in integers on x86 CPUs, with
 the same bits on every instruction set, thread count and batch.")
set(CPACK_DEBIAN_RUNTIME_PACKAGE_SHLIBDEPS ON)
# Programs that are linked with it need this version or a later one; ldconfig runs by a trigger.
file(CONFIGURE OUTPUT shlibs CONTENT "liboctavo 0 liboctavo0 (>= ${PROJECT_VERSION})\n")
file(CONFIGURE OUTPUT triggers CONTENT "activate-noawait ldconfig\n")
set(CPACK_DEBIAN_RUNTIME_PACKAGE_CONTROL_EXTRA "${CMAKE_CURRENT_BINARY_DIR}/shlibs;${CMAKE_CURRENT_BINARY_DIR}/triggers")

set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME liboctavo-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEVELOPMENT_DESCRIPTION "BERT, OPT and ViT in 8-bit integers - development files
 Headers of octavo's C and C++ interfaces, the static C++ library, and
 what CMake and pkg-config need to find them.")
# What programs are linked with beside the static library.
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS
    "libutf8proc-dev, libonig-dev, libjpeg-dev, libpng-dev, libgif-dev, libtiff-dev, libwebp-dev")
if(OCTAVO_CALIBRATION)
  string(PREPEND CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS "libdnnl-dev, ocl-icd-opencl-dev, ")
endif()
set(CPACK_COMPONENT_DEVELOPMENT_DEPENDS runtime)

set(CPACK_DEBIAN_TOOLS_PACKAGE_NAME octavo)
set(CPACK_DEBIAN_TOOLS_PACKAGE_SECTION science)
set(CPACK_DEBIAN_TOOLS_DESCRIPTION "BERT, OPT and ViT in 8-bit integers - command
 Makes INT8 files of transformer checkpoints and runs them: sentence
 embeddings, classes of texts and pictures, named entities, answers,
 masked words, rankings and next tokens.")
set(CPACK_DEBIAN_TOOLS_PACKAGE_SHLIBDEPS ON)

# Each package's copyright and changelog, as Debian's policy wants them; not in other prefixes.
if(CMAKE_INSTALL_PREFIX STREQUAL "/usr")
  string(TIMESTAMP date "%a, %d %b %Y %H:%M:%S +0000" UTC)  # SOURCE_DATE_EPOCH where that is set
  configure_file(cmake/debian_changelog.in changelog @ONLY)
  set(component_runtime liboctavo0)
  set(component_development liboctavo-dev)
  set(component_tools octavo)
  find_program(GZIP gzip)
  foreach(component runtime development tools)
    set(folder ${CMAKE_INSTALL_DATADIR}/doc/${component_${component}})
    install(FILES cmake/debian_copyright DESTINATION ${folder} RENAME copyright COMPONENT ${component})
    if(GZIP)
      execute_process(COMMAND ${GZIP} -9nc changelog WORKING_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}
                      OUTPUT_FILE changelog.Debian.gz)
      install(FILES ${CMAKE_CURRENT_BINARY_DIR}/changelog.Debian.gz DESTINATION ${folder} COMPONENT ${component})
    endif()
  endforeach()
endif()
set(CPACK_COMPONENTS_ALL runtime development tools)
include(CPack)
