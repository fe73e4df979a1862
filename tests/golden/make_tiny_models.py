#!/usr/bin/env python3
"""Makes tiny/: random models of two layers, and what transformers makes of them, for tests/models/tiny_models_test.cc.

Usage: tests/golden/make_tiny_models.py [OUT], by default tiny/ beside this file (needs torch, transformers and timm)
Each folder is a checkpoint as save_pretrained() writes it, in fp16; outputs.safetensors there
holds what the model makes of a few inputs with fp32 arithmetic on the stored weights: "N.input_ids" s32, or "N.pixels" u8
[height, width, 3]; "N.last_hidden_state" f32 [rows, columns], and "N.logits", "N.pooler_output", "N.image_embeds" where
the model has them.
"""
import json
import pathlib
import sys

import numpy as np
import torch
import transformers
from safetensors.torch import save_file

sys.path.append(str(pathlib.Path(__file__).parents[2] / "tools/train"))
from attention_variants import Method, give, save_model  # noqa: E402

LENGTHS = (1, 7, 24)
SIZES = dict(hidden_size=24, num_hidden_layers=2, num_attention_heads=3)


def spread(model):
    """Random numbers large enough that attention, activations and LayerNorms are not near their linear range."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            is_norm = "norm" in name.lower()
            scale = 0.2 if parameter.dim() <= 1 else 0.5 if "embed" in name else 1.5 / parameter[0].numel() ** 0.5
            parameter.copy_(noise * scale + (1.0 if is_norm and name.endswith("weight") else 0.0))
    return model.half().float().eval()  # fp32 arithmetic on the stored numbers


def with_method(model, method):
    return model if method == Method() else give(model, method)


# Sinks and gates, each kind once; those of a checkpoint's own attention stay what they were.
def bert_sink():
    return bert(Method(sink=True, gate="conditional_per_element"))


def opt_sink():
    return opt(Method(gamma=-0.02, sink=True, gate="conditional_per_token", activation="softplus"))


def vit_sink():
    return vit(Method(gamma=-0.01, zeta=1.02, sink=True, gate="conditional_per_element", activation="softplus"))


def texts(vocabulary):
    generator = np.random.default_rng(2)
    return [torch.from_numpy(generator.integers(0, vocabulary, length))[None] for length in LENGTHS]


def bert(method=Method()):
    config = transformers.BertConfig(vocab_size=60, intermediate_size=40, max_position_embeddings=32, **SIZES)
    model = spread(with_method(transformers.BertModel(config, add_pooling_layer=False), method))
    outputs = {}
    for n, ids in enumerate(texts(config.vocab_size)):
        outputs[f"{n}.input_ids"] = ids[0].int()
        outputs[f"{n}.last_hidden_state"] = model(ids).last_hidden_state[0]
    return model, outputs


def opt(method=Method()):
    config = transformers.OPTConfig(vocab_size=60, ffn_dim=40, max_position_embeddings=32, word_embed_proj_dim=24, **SIZES)
    model = spread(with_method(transformers.OPTForCausalLM(config), method))
    outputs = {}
    for n, ids in enumerate(texts(config.vocab_size)):
        result = model(ids, output_hidden_states=True)
        outputs[f"{n}.input_ids"] = ids[0].int()
        outputs[f"{n}.last_hidden_state"] = result.hidden_states[-1][0]
        outputs[f"{n}.logits"] = result.logits[0]
    return model, outputs


def pictures(model, outputs_of, size=16):
    """`outputs_of` gives the outputs of normalised pixels by name, with a leading dimension of 1."""
    spread(model)
    generator = np.random.default_rng(3)
    outputs = {}
    for n in range(2):
        pixels = generator.integers(0, 256, (size, size, 3), dtype=np.uint8)
        values = (torch.from_numpy(pixels).float().permute(2, 0, 1)[None] / 255 - 0.5) / 0.5
        outputs[f"{n}.pixels"] = torch.from_numpy(pixels)
        for name, value in outputs_of(values).items():
            outputs[f"{n}.{name}"] = value[0].clone()
    return model, outputs


def vit(method=Method()):
    config = transformers.ViTConfig(intermediate_size=40, image_size=16, patch_size=4, num_labels=5, **SIZES)
    model = with_method(transformers.ViTForImageClassification(config), method)

    def outputs_of(values):
        result = model(values, output_hidden_states=True)
        return {"last_hidden_state": model.vit.layernorm(result.hidden_states[-1]), "logits": result.logits}

    return pictures(model, outputs_of)


def dinov2():
    """Registers, and positions of 7 x 7 patches for pictures of 4 x 4."""
    config = transformers.Dinov2WithRegistersConfig(mlp_ratio=2, image_size=28, patch_size=4, num_register_tokens=3,
                                                    num_labels=5, **SIZES)
    model = transformers.Dinov2WithRegistersForImageClassification(config)

    def outputs_of(values):
        result = model.dinov2_with_registers(values)
        return {"last_hidden_state": result.last_hidden_state, "pooler_output": result.pooler_output,
                "logits": model(values).logits}

    return pictures(model, outputs_of)


def clip():
    config = transformers.CLIPVisionConfig(intermediate_size=40, image_size=16, patch_size=4, projection_dim=20, **SIZES)
    model = transformers.CLIPVisionModelWithProjection(config)

    def outputs_of(values):
        return {"last_hidden_state": model.vision_model(values).last_hidden_state,
                "pooler_output": model.vision_model(values).pooler_output, "image_embeds": model(values).image_embeds}

    return pictures(model, outputs_of)


def siglip():
    """Pictures of 18 x 18, of which the last two rows and columns make no whole patch."""
    config = transformers.SiglipVisionConfig(intermediate_size=40, image_size=18, patch_size=4, **SIZES)
    model = transformers.SiglipVisionModel(config)

    def outputs_of(values):
        result = model(values)
        return {"last_hidden_state": result.last_hidden_state, "pooler_output": result.pooler_output}

    return pictures(model, outputs_of, size=18)


def beit():
    config = transformers.BeitConfig(intermediate_size=40, image_size=16, patch_size=4, use_relative_position_bias=True,
                                     num_labels=5, **SIZES)
    model = transformers.BeitForImageClassification(config)

    def outputs_of(values):
        result = model.beit(values)
        return {"last_hidden_state": result.last_hidden_state, "pooler_output": result.pooler_output,
                "logits": model(values).logits}

    return pictures(model, outputs_of)


def deit3():
    """timm's model in a directory of transformers."""
    sizes = dict(img_size=16, patch_size=4, embed_dim=24, depth=2, num_heads=3, mlp_ratio=2)
    images = dict(input_size=[3, 16, 16], interpolation="bilinear", crop_pct=1.0, mean=[0.5] * 3, std=[0.5] * 3)
    config = transformers.TimmWrapperConfig.from_dict(
        {"architecture": "deit3_small_patch16_224", "model_args": sizes, "num_classes": 5,
         "label_names": list("abcde"), "pretrained_cfg": images})
    model = transformers.TimmWrapperForImageClassification(config)

    def outputs_of(values):
        return {"last_hidden_state": model.timm_model.forward_features(values), "logits": model(values).logits}

    return pictures(model, outputs_of)


PROCESSORS = {vit: "ViTImageProcessor", vit_sink: "ViTImageProcessor", dinov2: "BitImageProcessor", clip: "CLIPImageProcessor",
              siglip: "SiglipImageProcessor", beit: "BeitImageProcessor"}


def main():
    out = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parent / "tiny"
    for make in (bert, opt, vit, dinov2, clip, siglip, beit, deit3, bert_sink, opt_sink, vit_sink):
        with torch.no_grad():
            model, outputs = make()
        folder = out / make.__name__
        save_model(model.half(), folder)
        (folder / "generation_config.json").unlink(missing_ok=True)
        if make in PROCESSORS:
            edge = outputs["0.pixels"].shape[0]
            settings = {"do_resize": True, "size": {"height": edge, "width": edge}, "resample": 2, "do_rescale": True,
                        "rescale_factor": 1 / 255, "do_normalize": True, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
            if make not in (vit, vit_sink):
                settings |= {"image_processor_type": PROCESSORS[make], "do_center_crop": False}
            (folder / "preprocessor_config.json").write_text(json.dumps(settings, indent=1) + "\n")
        metadata = {"torch": torch.__version__, "transformers": transformers.__version__}
        save_file({name: tensor.contiguous() for name, tensor in outputs.items()}, folder / "outputs.safetensors", metadata)


if __name__ == "__main__":
    main()
