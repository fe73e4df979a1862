"""octavo for Conan 2: `conan create .`. Libraries that it stands on are the system's, from apt."""

import os

from conan import ConanFile
from conan.tools.build import check_min_cppstd
from conan.tools.cmake import CMake, CMakeToolchain, cmake_layout
from conan.tools.files import load
from conan.tools.system.package_manager import Apt


class Octavo(ConanFile):
    name = "octavo"
    description = "BERT, OPT and ViT in 8-bit integers on x86 CPUs"
    license = "Apache-2.0"
    topics = ("transformers", "quantization", "int8", "inference")
    package_type = "static-library"
    settings = "os", "arch", "compiler", "build_type"
    options = {"calibration": [True, False], "tools": [True, False]}
    default_options = {"calibration": True, "tools": True}
    exports_sources = ("CMakeLists.txt", "LICENSE", "README.md", "c/*", "cmake/*", "include/*", "kernels/*", "models/*.h",
                       "models/parts/*", "models/text/*", "models/vision/*", "models/directory/*", "src/*", "tools/*")

    def set_version(self):
        text = load(self, os.path.join(self.recipe_folder, "include/octavo/version.h"))
        self.version = text.split('OCTAVO_VERSION "')[1].split('"')[0]

    def layout(self):
        cmake_layout(self)

    def validate(self):
        check_min_cppstd(self, 20)

    def system_requirements(self):
        packages = ["pkg-config", "nlohmann-json3-dev", "libutf8proc-dev", "libonig-dev", "libjpeg-dev", "libpng-dev",
                    "libwebp-dev", "libtiff-dev", "libgif-dev"]
        if self.options.tools:
            packages.append("libcxxopts-dev")
        if self.options.calibration:
            packages += ["libeigen3-dev", "libdnnl-dev", "ocl-icd-opencl-dev"]
        Apt(self).install(packages, check=True)

    def generate(self):
        toolchain = CMakeToolchain(self)
        toolchain.cache_variables["OCTAVO_TESTS"] = False
        toolchain.cache_variables["OCTAVO_CALIBRATION"] = bool(self.options.calibration)
        toolchain.cache_variables["OCTAVO_TOOLS"] = bool(self.options.tools)
        toolchain.generate()

    def build(self):
        cmake = CMake(self)
        cmake.configure()
        cmake.build()

    def package(self):
        CMake(self).install()

    def package_info(self):
        # octavo's own files know its targets: find_package(octavo), octavo::octavo and octavo::c.
        self.cpp_info.set_property("cmake_find_mode", "none")
        self.cpp_info.builddirs.append(os.path.join("lib", "cmake", "octavo"))
