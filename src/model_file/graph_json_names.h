// Names of enumerators in a model file, for what writes them and what reads them.
#pragma once

#include "graph/graph.h"
#include "io/enum_names.h"

#include "octavo/model.h"

#include <cstdint>
#include <limits>

namespace octavo {

inline constexpr std::int64_t kInt32Max = std::numeric_limits<std::int32_t>::max();

inline constexpr Name<Activation> kActivations[] = {
    {Activation::none, "none"}, {Activation::gelu, "gelu"},         {Activation::relu, "relu"},
    {Activation::tanh, "tanh"}, {Activation::gelu_new, "gelu_new"}, {Activation::quick_gelu, "quick_gelu"},
    {Activation::silu, "silu"}};
inline constexpr Name<Form> kForms[] = {{Form::u8, "u8"}, {Form::s16, "s16"}, {Form::s32, "s32"}};
inline constexpr Name<Selection> kSelections[] = {{Selection::first, "first"},
                                                  {Selection::mean, "mean"},
                                                  {Selection::first_and_mean, "first_and_mean"},
                                                  {Selection::chosen, "chosen"},
                                                  {Selection::weighted, "weighted"}};
inline constexpr Name<Reduction> kReductions[] = {{Reduction::prune, "prune"}, {Reduction::merge, "merge"}};
inline constexpr Name<GateKind> kGateKinds[] = {{GateKind::linear, "linear"},
                                                {GateKind::mlp, "mlp"},
                                                {GateKind::all_heads, "all_heads"},
                                                {GateKind::dense, "dense"}};
inline constexpr Name<GateActivation> kGateActivations[] = {{GateActivation::sigmoid, "sigmoid"},
                                                            {GateActivation::softplus, "softplus"}};
inline constexpr Name<GateType> kGateTypes[] = {{GateType::unconditional_per_head, "unconditional_per_head"},
                                                {GateType::conditional_per_head, "conditional_per_head"},
                                                {GateType::conditional_per_token, "conditional_per_token"},
                                                {GateType::conditional_per_element, "conditional_per_element"}};
inline constexpr Name<AttentionMask> kMasks[] = {{AttentionMask::none, "none"}, {AttentionMask::causal, "causal"}};

}  // namespace octavo
