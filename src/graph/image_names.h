// What the settings of pictures are called, in timm's config.json and in a model file.
#pragma once

#include "io/enum_names.h"

#include "octavo/image.h"

namespace octavo {

inline constexpr Name<Interpolation> kInterpolations[] = {
    {Interpolation::nearest, "nearest"}, {Interpolation::box, "box"},         {Interpolation::bilinear, "bilinear"},
    {Interpolation::hamming, "hamming"}, {Interpolation::bicubic, "bicubic"}, {Interpolation::lanczos, "lanczos"}};
inline constexpr Name<Resize> kResizes[] = {
    {Resize::none, "none"}, {Resize::both_edges, "both_edges"}, {Resize::shortest_edge, "shortest_edge"}};
inline constexpr Name<Crop> kCrops[] = {{Crop::none, "none"},

                                        {Crop::centre_rounded, "centre_rounded"},
                                        {Crop::centre_down, "centre_down"}};

}  // namespace octavo
