#!/usr/bin/env python3
"""tools/export_checkpoint.py on small files in PyTorch's zip format, made here without PyTorch.
Usage: export_checkpoint_test.py TOOL"""
import collections, json, os, pickle, io, struct, subprocess, sys, tempfile, types, unittest, zipfile

TOOL = sys.argv.pop() if len(sys.argv) > 1 else 'tools/export_checkpoint.py'


def stand_in(module, name):
    """Something that pickles as module.name, as PyTorch's own names do."""
    made = type(name, (), {'__module__': module, '__qualname__': name})
    setattr(sys.modules.setdefault(module, types.ModuleType(module)), name, made)
    return made


for parent in ('torch', 'torch._utils'):
    sys.modules[parent] = types.ModuleType(parent)
sys.modules['torch']._utils = sys.modules['torch._utils']
REBUILD, FLOATS = stand_in('torch._utils', '_rebuild_tensor_v2'), stand_in('torch', 'FloatStorage')


class Storage:
    def __init__(self, key, count):
        self.key, self.count = key, count


class Rows:
    def __init__(self, *arguments):
        self.arguments = arguments

    def __reduce__(self):
        return REBUILD, self.arguments


class Runs:
    """What an attacker would put into a pickle."""
    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


class StatePickler(pickle.Pickler):
    def persistent_id(self, value):
        return ('storage', FLOATS, value.key, 'cpu', value.count) if isinstance(value, Storage) else None


def write_bin(path, tensors, more=()):
    state, data = collections.OrderedDict(), io.BytesIO()
    with zipfile.ZipFile(path, 'w') as archive:
        for i, (name, (shape, values, stride)) in enumerate(tensors.items()):
            state[name] = Rows(Storage(str(i), len(values)), 0, shape, stride, False, collections.OrderedDict())
            archive.writestr(f'archive/data/{i}', struct.pack(f'<{len(values)}f', *values))
        state.update(more)
        StatePickler(data, 2).dump(state)
        archive.writestr('archive/data.pkl', data.getvalue())


class ExportCheckpoint(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.trained, self.out = os.path.join(self.folder.name, 'in'), os.path.join(self.folder.name, 'out')
        os.mkdir(self.trained)
        with open(os.path.join(self.trained, 'config.json'), 'w') as file:
            json.dump({'model_type': 'bert'}, file)

    def tearDown(self):
        self.folder.cleanup()

    def write(self, tensors, more=()):
        write_bin(os.path.join(self.trained, 'pytorch_model.bin'), tensors, more)

    def export(self, *flags):
        return subprocess.run([sys.executable, TOOL, self.trained, self.out, *flags], capture_output=True, text=True)

    def method(self):
        with open(os.path.join(self.out, 'config.json')) as file:
            return json.load(file)['attention_method']

    GATE = {'bert.encoder.layer.0.attention.self.alpha.0.0.weight': ((2, 3), (1, 2, 3, 4, 5, 6.5), (3, 1)), 'w': ((2,), (7, 8), (1,))}

    def test_tensors_arrive_byte_for_byte(self):
        self.write(self.GATE)
        self.assertEqual(self.export('--attn_gate_type', 'conditional_per_token').returncode, 0)
        with open(os.path.join(self.out, 'model.safetensors'), 'rb') as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), 'little')))
            data = file.read()
        entry = header['bert.encoder.layer.0.attention.self.alpha.0.0.weight']
        self.assertEqual((entry['dtype'], entry['shape']), ('F32', [2, 3]))
        self.assertEqual(struct.unpack('<6f', data[slice(*entry['data_offsets'])]), (1, 2, 3, 4, 5, 6.5))

    def test_flags_become_the_attention_method(self):
        self.write(self.GATE)
        self.export('--attn_gate_type', '3', '--fine_tuning', '--attn_gate_init', '.25', '--attn_softmax', 'clipped(-.025:1)')
        self.assertEqual(self.method(), {'softmax': {'gamma': -0.025, 'zeta': 1.0},
                                         'gate': {'type': 'conditional_per_token', 'kind': 'mlp', 'scale': 4.0}})
        self.export('--attn_gate_type', '3', '--alpha', '12', '--block_size', '512')
        self.assertEqual(self.method()['softmax'], {'gamma': -12 / 512, 'zeta': 1.0})
        self.export('--attn_gate_type', '3', '--attn_softmax', 'clipped(-.005:1.005)')  # a known slip of that code
        self.assertEqual(self.method()['softmax'], {'gamma': -0.003, 'zeta': 1.005})

    def test_a_gate_that_the_flags_do_not_explain_is_refused(self):
        self.write(self.GATE)
        self.assertIn('mlp', self.export().stderr)
        self.write({'w': self.GATE['w']})
        self.assertIn('no gate', self.export('--attn_gate_type', '3').stderr)

    def test_code_in_the_pickle_is_refused_and_not_run(self):
        mark = os.path.join(self.folder.name, 'owned')
        self.write(self.GATE, {'x': Runs('touch ' + mark)})
        result = self.export('--attn_gate_type', '3')
        self.assertEqual(result.returncode, 1)
        self.assertIn('system', result.stderr)
        self.assertFalse(os.path.exists(mark))
        self.assertFalse(os.path.exists(self.out))

    def test_a_transposed_tensor_is_refused_not_written_wrongly(self):
        self.write({'w': ((2, 3), (1, 2, 3, 4, 5, 6), (1, 2))})
        self.assertIn('contiguous', self.export().stderr)


if __name__ == '__main__':
    unittest.main()
