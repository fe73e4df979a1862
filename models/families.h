// The model families: each turns config.json and tensors into a graph. Nothing outside models/ knows a family's name.
#pragma once

#include "graph/model_data.h"
#include "io/json_object.h"

#include "octavo/model.h"

#include <optional>

namespace octavo {

/// What a checkpoint directory holds for a family to read.
struct Checkpoint {
  const JsonObject& config;                          ///< config.json
  const std::optional<JsonObject>& image_processor;  ///< nothing when the directory has none
  TensorMap tensors;
  const CheckpointOptions& options;
};

struct Family {
  const char* model_types;  ///< for people: "bert", "dinov2, dinov2_with_registers"

  /// Whether it reads checkpoints with this config.json.
  bool (*reads)(const JsonObject& config);

  /// Graph, tensors, facts and warnings. Throws Error naming the key or tensor.
  Model::Data (*read)(Checkpoint checkpoint);

  /// The key of config.json that counts its layers, where these are alike and may run several times (layer_loop.h).
  const char* layers_key = nullptr;
};

/// BERT encoders: post-LayerNorm, absolute positions, GELU or ReLU, with their heads.
extern const Family kBert;
/// DistilBERT encoders: BERT's layer under names of its own.
extern const Family kDistilBert;
/// RoBERTa, XLM-RoBERTa and CamemBERT encoders, with their heads.
extern const Family kRoberta;
/// ELECTRA discriminators and generators, with their heads.
extern const Family kElectra;
/// ALBERT encoders, with their heads.
extern const Family kAlbert;
/// MPNet encoders, with their heads.
extern const Family kMpnet;
/// ModernBERT encoders: rotary positions, windows, gated feed-forward networks; with their heads.
extern const Family kModernBert;
/// NomicBERT and GTE encoders: BERT with rotary positions and gated feed-forward networks, with their heads.
extern const Family kNomicBert;
extern const Family kGte;
/// JinaBERT v2 encoders: BERT with ALiBi and gated feed-forward networks.
extern const Family kJinaBert;
/// EuroBERT encoders: RMSNorms before, rotary positions, grouped queries, gated feed-forward networks; with their
/// heads.
extern const Family kEuroBert;
/// OPT decoders of any size: pre- or post-LayerNorm, ReLU or GELU.
extern const Family kOpt;
/// Compact Transformers for images: CCT, CVT and ViT-Lite, with their classifier.
extern const Family kCompact;
/// ViT and DeiT image encoders, under timm's names or Hugging Face's.
extern const Family kVit;
/// DINOv2 image encoders, with their classifier.
extern const Family kDinov2;
/// CLIP's image encoders, with their projection or classifier.
extern const Family kClip;
/// SigLIP's image encoders, with their pooling head or classifier.
extern const Family kSiglip;
/// BEiT and Data2VecVision image encoders, with their classifier.
extern const Family kBeit;

/// A new family is a file with a `const Family`, and its place here.
inline constexpr const Family* kFamilies[] = {&kBert,       &kDistilBert, &kRoberta, &kElectra,  &kAlbert,   &kMpnet,
                                              &kModernBert, &kNomicBert,  &kGte,     &kJinaBert, &kEuroBert, &kOpt,
                                              &kCompact,    &kVit,        &kDinov2,  &kClip,     &kSiglip,   &kBeit};

}  // namespace octavo
