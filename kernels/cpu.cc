// Which instruction sets can this process use? CPUID tells what the CPU has, XCR0 which registers the operating system
// saves; a hypervisor may offer the first without the second.
#include "kernels/cpu.h"

#include <cpuid.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace octavo::kernels {
namespace {

struct Leaf {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;  // zero, that is without features, for a leaf the CPU does not have
};

Leaf leaf(unsigned number, unsigned part = 0) {
  Leaf result;
  __get_cpuid_count(number, part, &result.eax, &result.ebx, &result.ecx, &result.edx);
  return result;
}

// XCR0, the sets of registers that the operating system saves. Only valid if CPUID has osxsave.
uint64_t saved_registers() {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return static_cast<uint64_t>(high) << 32 | low;
}

// Of arch_prctl(2).
constexpr long kGetSupportedFeatures = 0x1021, kRequestPermission = 0x1023, kTileData = 18;

// Whether Linux gives tile registers to processes that ask for them.
bool offers_tiles() {
  uint64_t features = 0;
  return syscall(SYS_arch_prctl, kGetSupportedFeatures, &features) == 0 && (features >> kTileData & 1) != 0;
}

struct Cpu {
  Leaf one = leaf(1), seven = leaf(7), seven_one = seven.eax >= 1 ? leaf(7, 1) : Leaf();
  uint64_t saved = (one.ecx & bit_OSXSAVE) != 0 ? saved_registers() : 0;
};

const Cpu& cpu() {
  static const Cpu found;
  return found;
}

struct Requirement {
  bool met;
  const char* missing;
};

template <size_t kCount>
const char* first_missing(const Requirement (&requirements)[kCount]) {
  for (const Requirement& each : requirements) {
    if (!each.met) return each.missing;
  }
  return "";
}

// xmm, ymm; then also mask, upper zmm, zmm16-31; the configuration of the tiles and the tiles
constexpr uint64_t kAvxRegisters = 0x6, kAvx512Registers = 0xe6, kTileRegisters = 0x60000;
bool saves(uint64_t registers) { return (cpu().saved & registers) == registers; }

}  // namespace

const char* missing_scalar() { return ""; }

const char* missing_avx2() {
  return first_missing({{(cpu().one.ecx & bit_AVX) != 0, "the CPU lacks AVX"},
                        {(cpu().seven.ebx & bit_AVX2) != 0, "the CPU lacks AVX2"},
                        {saves(kAvxRegisters), "the operating system does not save the AVX registers"}});
}

const char* missing_avxvnni() {
  constexpr unsigned kAvxVnni = 1u << 4;
  return first_missing({{(cpu().seven_one.eax & kAvxVnni) != 0, "the CPU lacks AVX-VNNI"}});
}

const char* missing_avx512vnni() {
  const Leaf& seven = cpu().seven;
  return first_missing({{(seven.ebx & bit_AVX512F) != 0, "the CPU lacks AVX-512 F"},
                        {(seven.ebx & bit_AVX512BW) != 0, "the CPU lacks AVX-512 BW"},
                        {(seven.ebx & bit_AVX512DQ) != 0, "the CPU lacks AVX-512 DQ"},
                        {(seven.ebx & bit_AVX512VL) != 0, "the CPU lacks AVX-512 VL"},
                        {(seven.ecx & bit_AVX512VNNI) != 0, "the CPU lacks AVX-512 VNNI"},
                        {saves(kAvx512Registers), "the operating system does not save the AVX-512 registers"}});
}

const char* missing_amx() {
  constexpr unsigned kAmxTile = 1u << 24, kAmxInt8 = 1u << 25;
  return first_missing({{(cpu().seven.edx & kAmxTile) != 0, "the CPU lacks AMX"},
                        {(cpu().seven.edx & kAmxInt8) != 0, "the CPU lacks AMX INT8"},
                        {saves(kTileRegisters), "the operating system does not save the AMX tiles"},
                        {offers_tiles(), "the operating system does not offer the AMX tiles"}});
}

bool request_tiles() { return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0; }

}  // namespace octavo::kernels
