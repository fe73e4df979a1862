// Solvers of equalization: scales and shifts per column of a u8 value, a LayerNorm's mostly, that make it and the
// weights that read it easier to round. They do not change what the model computes in float.
#pragma once

#include "observers/column_statistics.h"
#include "observers/observers.h"
#include "quantize/float_rows.h"
#include "quantize/quantize.h"

#include <vector>

namespace octavo {

/// What a solver knows of one site: its columns, and all rows that read it (Q, K, V and gates together).
struct EqualizationSite {
  const ColumnStatistics& input;
  const std::vector<FloatRows>& readers;
  WeightScales weights = WeightScales::per_channel;
};

struct EqualizedSite {
  Equalization equalization;
  Range range;  ///< of the equalized values: what the output's quantizer is made of
};

/// Scale and shift per column by `method`, which is not `none`. os_plus and repq need a sample of rows. The same bits
/// for every number of threads.
EqualizedSite equalize(ThreadPool& pool, EqualizeMethod method, const EqualizationSite& site);

/// Scales of a gated linear unit's columns, which the rows of its linear branch take up; no shift. power_of_two rounds
/// them up.
EqualizedSite equalize_units(EqualizeMethod method, const EqualizationSite& site);

/// Scales in proportion to the columns' magnitudes, so that all have the same range; no shift. For V, whose scales the
/// rows behind the attention take up. power_of_two rounds them up.
EqualizedSite equalize_columns(EqualizeMethod method, const ColumnStatistics& input);

/// Lets rows read (x - shift) / scale instead of x: the same outputs in float.
void fold(const Equalization& equalization, FloatRows& rows);

/// The range of (x - shift) / scale, from the columns' bounds.
Range equalized_range(const ColumnStatistics& input, const Equalization& equalization);

/// All columns of (x - shift) / scale in one histogram, from theirs.
Histogram equalized_histogram(const ColumnStatistics& input, const Equalization& equalization);

/// The statistics of (x - shift) / scale, but for histograms.
ColumnStatistics equalized_statistics(const ColumnStatistics& input, const Equalization& equalization);

}  // namespace octavo
