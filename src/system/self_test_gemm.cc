// Self-test cases of the GEMM kernels: one product, six epilogues.
#include "system/self_test_cases.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace octavo::self_test_cases {
namespace {

using kernels::KernelTable;

constexpr std::int64_t kMostS32 = 2147483647;

struct Product {
  int rows, columns, depth, shift, pre_shift;
  Values<std::uint8_t> a;
  Values<std::int8_t> b;
  Values<std::int32_t> bias, multiplier;

  kernels::Gemm gemm() const {
    return {.rows = rows,
            .columns = columns,
            .depth = depth,
            .a = a.data(),
            .b = b.data(),
            .bias = bias.data(),
            .multiplier = multiplier.data(),
            .shift = shift,
            .pre_shift = pre_shift};
  }
};

// From products that all saturate to ones whose results are a few units; shifts of 38 to 46 give about 8 bits.
Product random_product(Random& random) {
  const int rows = random.integer(1, 35), columns = 32 * random.integer(1, 3), depth = 64 * random.integer(1, 5);
  const auto a_size = static_cast<std::size_t>(round_up_to(kernels::kTileRows, rows)) * static_cast<std::size_t>(depth);
  const auto b_size = static_cast<std::size_t>(columns) * static_cast<std::size_t>(depth);
  const bool large_multipliers = random.one_in(4);
  const int usual_shift = random.one_in(2) ? random.integer(38, 46) : random.integer(33, 62);
  const int largest_weight = random.one_of({0, 1, 127, 127, 127});
  const std::int64_t bias = random.one_of({0, 3000, 1000000, 1 << 30});
  const std::int64_t multiplier = random.one_of({kMostS32, kMostS32, std::int64_t{1} << 22});
  return {.rows = rows,
          .columns = columns,
          .depth = depth,
          .shift = large_multipliers ? 33 : usual_shift,
          .pre_shift = large_multipliers ? random.integer(1, 15) : 0,
          .a = random.values<std::uint8_t>(a_size, 0, 255),
          .b = random.values<std::int8_t>(b_size, -largest_weight - random.integer(0, 1), largest_weight),
          .bias = random.values<std::int32_t>(static_cast<std::size_t>(columns), -bias, bias),
          .multiplier = random.values<std::int32_t>(static_cast<std::size_t>(columns), 0, multiplier)};
}

template <class T>
RowOutput<T> product_output(const Product& product, std::int64_t low, std::int64_t high, Random& random) {
  const int stride = product.columns + random.one_of({0, 7, 32});
  const int rows = round_up_to(kernels::kTileRows, product.rows);
  return {stride, random.values<T>(static_cast<std::size_t>(rows) * static_cast<std::size_t>(stride), low, high)};
}

}  // namespace

Case gemm_to_bytes(Random& random) {
  const std::int32_t zero_point = random.integer(0, 255);
  kernels::ToBytes to = {zero_point, 0, 255, {}};
  if (random.one_in(3)) to = {0, -127, 127, {}};
  if (random.one_in(3)) to = {zero_point, zero_point, 255, {}};
  Product product = random_product(random);
  ByteOutput output(product.rows, product.columns, random);
  return [=, product = std::move(product), output = std::move(output)](const KernelTable& table) {
    ByteOutput out = output;
    table.gemm_to_bytes(product.gemm(), {to.zero_point, to.low, to.high, out.matrix()});
    return out.first(product.rows);
  };
}

Case gemm_gelu(Random& random) {
  Product product = random_product(random);
  ByteOutput output(product.rows, product.columns, random);
  ByteOutput fine_output(product.rows, product.columns, random);
  const int fraction_bits = random.integer(0, 6), fine_bits = random.integer(0, fraction_bits),
            normalize = random.integer(0, 15);
  const int limit = random.integer(1, std::min(32768, 65535 >> normalize)), inverse = random.integer(0, 65535);
  const auto base = random.values<std::int16_t>(32, -24000, 24000);
  const auto slope = random.values<std::int16_t>(32, -8000, 8000);
  const auto offset = random.values<std::int16_t>(static_cast<std::size_t>(product.columns), -32768, 0);
  return [=, product = std::move(product), output = std::move(output),
          fine_output = std::move(fine_output)](const KernelTable& table) {
    ByteOutput out = output, fine = fine_output;
    table.gemm_gelu(product.gemm(), {.fraction_bits = fraction_bits,
                                     .limit = static_cast<std::uint16_t>(limit),
                                     .normalize = normalize,
                                     .inverse = static_cast<std::uint16_t>(inverse),
                                     .base = base.data(),
                                     .slope = slope.data(),
                                     .offset = offset.data(),
                                     .out = out.matrix(),
                                     .fine_bits = fine_bits,
                                     .fine = fine.matrix()});
    Bytes bytes = out.first(product.rows);
    const Bytes more = fine.first(product.rows);
    bytes.insert(bytes.end(), more.begin(), more.end());
    return bytes;
  };
}

Case gemm_add_to_stream(Random& random) {
  Product product = random_product(random);
  auto output = product_output<std::int16_t>(product, -32768, 32767, random);
  return [product = std::move(product), output = std::move(output)](const KernelTable& table) {
    auto out = output;
    table.gemm_add_to_stream(product.gemm(), {out.data.data(), out.stride});
    return out.first(product.rows);
  };
}

Case gemm_add_to_stream8(Random& random) {
  constexpr int kMost = 1 << 22;
  Product product = random_product(random);
  auto output = product_output<std::int16_t>(product, -255, 255, random);
  const std::int32_t zero_point = random.integer(0, 255), low = -random.integer(0, 255);
  const std::int32_t of_product = random.one_of({-kMost, 3 << 19, random.integer(-kMost, kMost)});  // 3 << 19: ties
  const std::int32_t of_stream = random.one_of({kMost, 1 << 20, random.integer(-kMost, kMost)});
  return [=, product = std::move(product), output = std::move(output)](const KernelTable& table) {
    auto out = output;
    table.gemm_add_to_stream8(product.gemm(), {.zero_point = zero_point,
                                               .product_multiplier = of_product,
                                               .stream_multiplier = of_stream,
                                               .low = low,
                                               .high = 255 + low,
                                               .stream = out.data.data(),
                                               .stride = out.stride});
    return out.first(product.rows);
  };
}

Case gemm_to_shorts(Random& random) {
  Product product = random_product(random);
  auto output = product_output<std::int16_t>(product, -32768, 32767, random);
  const std::int32_t zero_point = random.integer(-32768, 32767);
  return [=, product = std::move(product), output = std::move(output)](const KernelTable& table) {
    auto out = output;
    table.gemm_to_shorts(product.gemm(), {zero_point, out.data.data(), out.stride});
    return out.first(product.rows);
  };
}

Case gemm_to_accumulators(Random& random) {
  Product product = random_product(random);
  auto output = product_output<std::int32_t>(product, -kMostS32, kMostS32, random);
  return [product = std::move(product), output = std::move(output)](const KernelTable& table) {
    auto out = output;
    table.gemm_to_accumulators(product.gemm(), {out.data.data(), out.stride});
    return out.first(product.rows);
  };
}

}  // namespace octavo::self_test_cases
