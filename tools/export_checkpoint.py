#!/usr/bin/env python3
"""Turns a pytorch_model.bin of the Quantizable Transformers code into a directory that octavo reads.

    tools/export_checkpoint.py TRAINED_DIR OUT_DIR --attn_softmax 'clipped(-.025:1)'
    tools/export_checkpoint.py TRAINED_DIR OUT_DIR --attn_gate_type conditional_per_token --fine_tuning

TRAINED_DIR holds pytorch_model.bin and config.json (tokenizer files are copied). That code writes nothing about clipped
softmax or gates into config.json, so the flags that the model was trained with are given again; they have its names. Out
come model.safetensors and a config.json with "attention_method".

Needs nothing but Python 3.8. The pickle inside the .bin may name tensors, storages and dictionaries only: anything else
is refused before it is called.
"""
import argparse, collections, json, os, pickle, re, shutil, sys, zipfile

DTYPES = {'FloatStorage': ('F32', 4), 'HalfStorage': ('F16', 2), 'BFloat16Storage': ('BF16', 2), 'LongStorage': ('I64', 8),
          'IntStorage': ('I32', 4), 'ByteStorage': ('U8', 1), 'BoolStorage': ('BOOL', 1), 'DoubleStorage': ('F64', 8)}
GATE_TYPES = ['none', 'unconditional_per_head', 'conditional_per_head', 'conditional_per_token']
TOKENIZER_FILES = ['tokenizer.json', 'tokenizer_config.json', 'vocab.txt', 'vocab.json', 'merges.txt', 'special_tokens_map.json']


def fail(message):
    sys.exit('export_checkpoint.py: ' + message)


class Storage:
    def __init__(self, dtype, key):
        self.dtype, self.key = dtype, key


class Rows:
    """A tensor: where its bytes lie."""
    def __init__(self, storage, offset, size, stride):
        self.storage, self.offset, self.size, self.stride = storage, offset, tuple(size), tuple(stride)


def rebuild_tensor(storage, offset, size, stride, *_):
    return Rows(storage, offset, size, stride)


def rebuild_parameter(data, *_):
    return data


class TensorUnpickler(pickle.Unpickler):
    """Knows the few names that a state dictionary needs, as plain data; any other name is an error."""
    def find_class(self, module, name):
        if (module, name) == ('collections', 'OrderedDict'):
            return collections.OrderedDict
        if (module, name) == ('torch._utils', '_rebuild_tensor_v2'):
            return rebuild_tensor
        if (module, name) == ('torch._utils', '_rebuild_parameter'):
            return rebuild_parameter
        if module == 'torch' and name in DTYPES:
            return name
        raise pickle.UnpicklingError(f'the file asks for {module}.{name}, which is not part of a state dictionary')

    def persistent_load(self, saved):
        if not isinstance(saved, tuple) or len(saved) < 3 or saved[0] != 'storage' or saved[1] not in DTYPES:
            raise pickle.UnpicklingError('the file has a storage of an unknown kind')
        return Storage(saved[1], str(saved[2]))


def contiguous(rows):
    expected = 1
    for size, stride in zip(reversed(rows.size), reversed(rows.stride)):
        if size != 1 and stride != expected:
            return False
        expected *= size
    return True


def read_tensors(path):
    """name -> (dtype, shape, bytes)"""
    if not zipfile.is_zipfile(path):
        fail(f'{path} is not in the zip format of PyTorch 1.6 and later')
    tensors = {}
    with zipfile.ZipFile(path) as archive:
        index = [name for name in archive.namelist() if name.endswith('/data.pkl')]
        if len(index) != 1:
            fail(f'{path} has {len(index)} data.pkl, expected one')
        folder = index[0][:-len('data.pkl')]
        with archive.open(index[0]) as file:
            try:
                state = TensorUnpickler(file).load()
            except pickle.UnpicklingError as error:
                fail(f'{path}: {error}')
        if isinstance(state, dict) and isinstance(state.get('state_dict'), dict):
            state = state['state_dict']
        for name, rows in state.items():
            if not isinstance(rows, Rows):
                fail(f'{path}: {name} is not a tensor')
            if not contiguous(rows):
                fail(f'{path}: tensor {name} is not contiguous')
            dtype, width = DTYPES[rows.storage.dtype]
            count = 1
            for size in rows.size:
                count *= size
            data = archive.read(folder + 'data/' + rows.storage.key)[rows.offset * width:(rows.offset + count) * width]
            if len(data) != count * width:
                fail(f'{path}: tensor {name} reaches beyond its storage')
            tensors[name] = (dtype, list(rows.size), data)
    return tensors


def write_safetensors(path, tensors):
    header, offset = {'__metadata__': {'format': 'pt'}}, 0
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {'dtype': dtype, 'shape': shape, 'data_offsets': [offset, offset + len(data)]}
        offset += len(data)
    text = json.dumps(header).encode()
    text += b' ' * (-len(text) % 8)
    with open(path, 'wb') as file:
        file.write(len(text).to_bytes(8, 'little') + text)
        for _, _, data in tensors.values():
            file.write(data)


def softmax_of(flags):
    if flags.alpha is not None:
        length = flags.max_seq_length or flags.block_size
        if not length:
            fail('--alpha needs the training length: --max_seq_length or --block_size')
        return {'gamma': -flags.alpha / length, 'zeta': 1.0}
    if flags.attn_softmax == 'vanilla':
        return {'gamma': 0.0, 'zeta': 1.0}
    found = re.fullmatch(r'clipped\(([^:]+):([^)]+)\)', flags.attn_softmax)
    if not found:
        fail(f"--attn_softmax is '{flags.attn_softmax}', expected vanilla or clipped(GAMMA:ZETA)")
    gamma, zeta = float(found[1]), float(found[2])
    if (gamma, zeta) == (-0.005, 1.005):
        print('note: that code runs clipped(-.005:1.005) with gamma -0.003; so the model was trained', file=sys.stderr)
        gamma = -0.003
    if not (gamma <= 0.0 and zeta >= 1.0):
        fail(f'gamma is {gamma}, zeta {zeta}, expected gamma <= 0 and zeta >= 1')
    return {'gamma': gamma, 'zeta': zeta}


def gate_of(flags, tensors):
    """The type is what the flag says; the kind is in the tensors' names."""
    kind_of = None
    for name in tensors:
        found = re.search(r'\.alpha(\..*)?$', name)
        if not found:
            continue
        rest = found[1] or ''
        kind_of = ('unconditional' if rest == '' else 'all_heads' if re.fullmatch(r'\.(weight|bias)', rest) else
                   'linear' if re.fullmatch(r'\.\d+\.(weight|bias)', rest) else 'mlp')
        break
    gate = GATE_TYPES[int(flags.attn_gate_type)] if flags.attn_gate_type.isdigit() and int(flags.attn_gate_type) < 4 else flags.attn_gate_type
    if gate not in GATE_TYPES:
        fail(f"--attn_gate_type is '{flags.attn_gate_type}', expected one of " + ', '.join(GATE_TYPES))
    if (kind_of is None) != (gate == 'none') or (kind_of == 'unconditional') != (gate == 'unconditional_per_head'):
        fail(f'--attn_gate_type is {gate}, but the tensors have ' + (f'gates that are {kind_of}' if kind_of else 'no gate'))
    if gate == 'none':
        return {'type': 'none'}
    if gate == 'unconditional_per_head':
        return {'type': gate}
    return {'type': gate, 'kind': kind_of, 'scale': 1.0 / flags.attn_gate_init if flags.fine_tuning else 1.0}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('trained')
    parser.add_argument('out')
    parser.add_argument('--attn_softmax', default='vanilla', help="vanilla or 'clipped(GAMMA:ZETA)'")
    parser.add_argument('--alpha', type=float, help='gamma = -alpha / training length; wins over --attn_softmax')
    parser.add_argument('--max_seq_length', type=int, help='training length of BERT')
    parser.add_argument('--block_size', type=int, help='training length of OPT')
    parser.add_argument('--attn_gate_type', default='none', help=', '.join(GATE_TYPES) + ', or 0 to 3')
    parser.add_argument('--attn_gate_init', type=float, default=0.5)
    parser.add_argument('--fine_tuning', action='store_true', help='the gate was multiplied by 1 / attn_gate_init')
    flags = parser.parse_args()
    tensors = read_tensors(os.path.join(flags.trained, 'pytorch_model.bin'))
    with open(os.path.join(flags.trained, 'config.json'), encoding='utf-8') as file:
        config = json.load(file)
    config['attention_method'] = {'softmax': softmax_of(flags), 'gate': gate_of(flags, tensors)}
    os.makedirs(flags.out, exist_ok=True)
    write_safetensors(os.path.join(flags.out, 'model.safetensors'), tensors)
    with open(os.path.join(flags.out, 'config.json'), 'w', encoding='utf-8') as file:
        json.dump(config, file, indent=2)
    for name in TOKENIZER_FILES:
        if os.path.exists(os.path.join(flags.trained, name)):
            shutil.copyfile(os.path.join(flags.trained, name), os.path.join(flags.out, name))


if __name__ == '__main__':
    main()
