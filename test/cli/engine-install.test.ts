/** `engine install`: what arrives, from where, and what stays when it goes wrong. Wheels are made up; no network is used. */
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  library,
  names,
  processor,
  tensorflow,
  writeUnpacked,
  writeWheel,
  type MadeUpPackage,
} from '../made-up-library.js';
import { openDesk, program, start, type Desk, type Ended, type StartOptions } from './command-line.js';
import { openIndex, type FakeIndex } from './fake-index.js';

let desk: Desk;
let index: FakeIndex;
beforeAll(() => {
  desk = openDesk();
  index = openIndex(join(desk.folder, 'index'));
  for (const version of ['2.21.0', '2.20.0', '2.18.1'])
    index.publish(tensorflow(version, { name: plainName }));
});
afterAll(() => desk.remove());

/** What the command asks for on this machine. */
const plainName = process.arch === 'x64' ? 'tensorflow-cpu' : 'tensorflow';

let cache = '';
let count = 0;
beforeEach(() => {
  cache = join(desk.folder, `cache-${count++}`);
});
const root = (...path: readonly string[]): string => join(cache, 'ztrain', 'tensorflow', ...path);
/** Hidden names too. */
const left = (): readonly string[] => (existsSync(root()) ? readdirSync(root()).sort() : []);

type Tool = Parameters<FakeIndex['bin']>[0];

const engine = (
  words: readonly string[],
  { tool = 'python3', mode = '', watch }: { tool?: Tool; mode?: string; watch?: StartOptions['watch'] } = {},
): Promise<Ended> =>
  desk.ztrainc(['engine', ...words], {
    environment: {
      XDG_CACHE_HOME: cache,
      PATH: index.bin(tool),
      FAKE_MODE: mode,
      ZTRAIN_TENSORFLOW: '',
      VIRTUAL_ENV: '',
      CONDA_PREFIX: '',
    },
    ...(watch === undefined ? {} : { watch }),
  });

const sha256 = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');

const manifest = (
  name: string,
): { readonly files: readonly { path: string; bytes: number; sha256: string }[] } =>
  JSON.parse(readFileSync(root(name, 'manifest.json'), 'utf8'));

describe('what arrives', () => {
  test('from pip: the two libraries and their checksums, nothing else; a second time nothing is fetched', async () => {
    const { code, stdout, stderr } = await engine(['install']);
    expect([code, stdout]).toEqual([0, '']);
    expect(stderr.split('\n')).toEqual([
      `fetching ${plainName} 2.21.0 with pip`,
      'unpacking 2 files (8.19 kB)',
      `installed TensorFlow 2.21.0 in ${root('2.21.0')} (8.19 kB); ztrainc engine doctor tries it`,
      '',
    ]);
    expect(left()).toEqual(['2.21.0']);
    expect(readdirSync(root('2.21.0')).sort()).toEqual([...names, 'manifest.json'].sort());
    expect(manifest('2.21.0')).toEqual({
      version: '2.21.0',
      cuda: false,
      packages: [`${plainName}-2.21.0`],
      files: names.map((name) => ({ path: name, bytes: 4096, sha256: sha256(root('2.21.0', name)) })),
    });
    const call = index.calls().at(-1);
    expect(call?.words?.join(' ')).toMatch(
      /^-m pip download --dest \S+ --no-deps --python-version 3.12 --only-binary=:all: --implementation cp /,
    );
    for (const platform of [`manylinux_2_27_${processor}`, `manylinux2014_${processor}`]) {
      expect(call?.words).toContain(platform);
    }
    // What pip unpacks on its way lies beside it, not in the system's folder for temporary files.
    expect(call?.tmp?.startsWith(root())).toBe(true);
    const calls = index.calls().length;
    expect((await engine(['install'])).stderr).toContain('TensorFlow 2.21.0 is installed in');
    expect(index.calls()).toHaveLength(calls);
    expect(await engine(['which'])).toEqual({ code: 0, stdout: `${root('2.21.0')}\n`, stderr: '' });
  });

  test('from uv, which is asked first', async () => {
    const { code, stderr } = await engine(['install', '--version', '2.20.0'], { tool: 'uv' });
    expect([code, stderr]).toEqual([0, expect.stringContaining('with uv')]);
    expect(readdirSync(root('2.20.0')).sort()).toEqual([...names, 'manifest.json'].sort());
    const words = index.calls().at(-1)?.words?.join(' ') ?? '';
    expect(words).toMatch(/^pip install --target \S+ --no-deps --python-version 3.12 --only-binary :all: /);
    expect(words).toContain(`--python-platform ${processor}-manylinux_2_28 ${plainName}==2.20.0`);
  });

  test('versions stand side by side; the newest is taken, and list shows all', async () => {
    for (const version of ['2.20.0', '2.21.0', '2.18.1']) await engine(['install', '--version', version]);
    expect((await engine(['which'])).stdout).toBe(`${root('2.21.0')}\n`);
    const { code, stdout } = await engine(['list']);
    expect(code).toBe(0);
    const lines = stdout.split('\n').filter((line) => line.includes('engine install'));
    expect(lines.map((line) => line.trim().split(/ {2,}/))).toEqual([
      ['*', 'ztrainc engine install', '2.21.0', root('2.21.0')],
      ['ztrainc engine install', '2.20.0', root('2.20.0')],
      ['ztrainc engine install', '2.18.1', root('2.18.1')],
    ]);
  });

  test('from a wheel, a folder of wheels, or an unpacked folder, without uv or pip', async () => {
    const wheels = join(desk.folder, 'given', 'wheels');
    const one = writeWheel(wheels, tensorflow('2.19.0'));
    const unpacked = join(desk.folder, 'given', 'unpacked');
    writeUnpacked(unpacked, tensorflow('2.19.1'));
    for (const [from, version] of [
      [one, '2.19.0'],
      [wheels, '2.19.0'],
      [unpacked, '2.19.1'],
    ] as const) {
      const { code, stderr } = await engine(['install', '--from', from], { tool: 'none' });
      expect([code, stderr]).toEqual([0, expect.stringContaining(`TensorFlow ${version}`)]);
    }
    expect(left()).toEqual(['2.19.0', '2.19.1']);
  });

  test('what was damaged since is made anew', async () => {
    await engine(['install']);
    const path = root('2.21.0', names[1]);
    const good = sha256(path);
    const bytes = readFileSync(path);
    bytes[2000] = 0x55;
    writeFileSync(path, bytes);
    const doctor = await engine(['doctor']);
    expect([doctor.code, doctor.stderr]).toEqual([
      3,
      expect.stringContaining(
        `error: ${path} is damaged: its sha256 is not what was installed; run \`ztrainc engine install\` again\n`,
      ),
    ]);
    expect((await engine(['install'])).stderr).toContain('installed TensorFlow 2.21.0');
    expect(sha256(path)).toBe(good);
    truncateSync(path, 100);
    const which = await engine(['which']);
    expect([which.code, which.stderr.split('\n').length]).toEqual([3, 2]);
    expect(which.stderr).toContain('has 100 bytes, not the 4096 that were installed');
    expect((await engine(['install'])).code).toBe(0);
    expect(left()).toEqual(['2.21.0']);
  });
});

const cuda: Partial<MadeUpPackage> = {
  name: 'tensorflow',
  requires: [
    'absl-py>=1.0.0',
    'nvidia-nccl-cu12<3.0,>=2.27.7; extra == "and-cuda"',
    "nvidia-cuda-nvcc-cu12 (<13.0,>=12.5.82) ; extra == 'and-cuda'",
    'nvidia-other<3.0; extra == "other"',
  ],
};
const nvidia: readonly MadeUpPackage[] = [
  {
    name: 'nvidia-nccl-cu12',
    version: '2.28.1',
    platform: 'manylinux_2_18_x86_64',
    files: new Map([
      ['nvidia/__init__.py', Buffer.from('')],
      ['nvidia/nccl/include/nccl.h', Buffer.from('int')],
      ['nvidia/nccl/lib/libnccl.so.2', library()],
    ]),
  },
  {
    name: 'nvidia-cuda-nvcc-cu12',
    version: '12.9.86',
    platform: 'manylinux_2_12_x86_64',
    files: new Map([
      ['nvidia/cuda_nvcc/bin/ptxas', Buffer.from('assembler')],
      ['nvidia/cuda_nvcc/nvvm/lib64/libnvvm.so', library()],
      ['nvidia/cuda_nvcc/nvvm/libdevice/libdevice.10.bc', Buffer.from('bits')],
      ['nvidia/cuda_nvcc/nvvm/include/nvvm.h', Buffer.from('int')],
    ]),
  },
];

describe.runIf(process.arch === 'x64')('--cuda', () => {
  const files = [
    ...names.map((name) => `tensorflow/${name}`),
    'nvidia/cuda_nvcc/bin/ptxas',
    'nvidia/cuda_nvcc/nvvm/lib64/libnvvm.so',
    'nvidia/cuda_nvcc/nvvm/libdevice/libdevice.10.bc',
    'nvidia/nccl/lib/libnccl.so.2',
  ];
  beforeAll(() => {
    index.publish(tensorflow('2.21.0', cuda));
    for (const one of nvidia) index.publish(one);
  });

  test.each(['python3', 'uv'] as const)('lays files out as in site-packages (%s)', async (tool) => {
    const { code, stderr } = await engine(['install', '--cuda'], { tool });
    expect([code, stderr]).toEqual([0, expect.stringContaining('and 1 more with')]);
    expect(left()).toEqual(['2.21.0-cuda']);
    expect(manifest('2.21.0-cuda').files.map(({ path }) => path)).toEqual(files);
    for (const path of files) expect(existsSync(root('2.21.0-cuda', path))).toBe(true);
    expect(statSync(root('2.21.0-cuda', 'nvidia/cuda_nvcc/bin/ptxas')).mode & 0o111).toBe(0o111);
    expect(existsSync(root('2.21.0-cuda', 'nvidia/nccl/include'))).toBe(false);
    expect((await engine(['which'], { tool })).stdout).toBe(`${root('2.21.0-cuda', 'tensorflow')}\n`);
    expect(index.calls().at(-1)?.words).toEqual(
      expect.arrayContaining(['nvidia-nccl-cu12<3.0,>=2.27.7', 'nvidia-cuda-nvcc-cu12<13.0,>=12.5.82']),
    );
  });

  test('from a folder that lacks one, or holds the wheel without a GPU', async () => {
    const folder = join(desk.folder, 'given', 'cuda');
    writeWheel(folder, tensorflow('2.21.0', cuda));
    const lacking = await engine(['install', '--cuda', '--from', folder]);
    expect([lacking.code, lacking.stderr]).toEqual([
      3,
      `error: ${folder} lacks nvidia-nccl-cu12, nvidia-cuda-nvcc-cu12\n`,
    ]);
    for (const one of nvidia) writeWheel(folder, one);
    expect((await engine(['install', '--cuda', '--from', folder])).code).toBe(0);
    const plain = join(desk.folder, 'given', 'plain');
    writeWheel(plain, tensorflow('2.21.0'));
    const { code, stderr } = await engine(['install', '--cuda', '--from', plain]);
    expect([code, stderr]).toEqual([3, expect.stringContaining('knows no GPU')]);
  });
});

describe('what goes wrong', () => {
  /** Exit code and the one line that says why; nothing may stay. */
  const fault = async (
    words: readonly string[],
    options: Parameters<typeof engine>[1] = {},
  ): Promise<readonly [number | null, string]> => {
    const { code, stderr } = await engine(['install', ...words], options);
    expect(left()).toEqual([]);
    const lines = stderr.trim().split('\n');
    expect(lines.filter((line) => !/^(fetching|unpacking) /.test(line))).toHaveLength(1);
    return [code, lines.at(-1) ?? ''];
  };

  test.each([
    [['--version', '2'], '--version takes one such as 2.21.0, got 2'],
    [['--version', '2.21.0; rm'], '--version takes one such as 2.21.0'],
    [['--version', '2.9.1'], '--version 2.9.1 is too old: 2.16 is the oldest'],
    [['--from', 'nowhere.whl'], '--from nowhere.whl: no such file or folder'],
  ])('misuse: %j', async (words, message) => {
    expect(await fault(words)).toEqual([2, expect.stringContaining(message)]);
  });

  test('neither uv nor pip', async () => {
    const message = expect.stringContaining('neither uv nor pip was found');
    expect(await fault([], { tool: 'none' })).toEqual([3, message]);
    expect(await fault([], { mode: 'no pip' })).toEqual([3, message]);
  });

  test('a version that does not exist', async () => {
    expect(await fault(['--version', '2.99.0'])).toEqual([
      3,
      `error: there is no ${plainName} 2.99.0 for this machine; there are 2.20.0`,
    ]);
  });

  test.each([
    [
      'ERROR: Could not find a version that satisfies the requirement x (from versions: none)',
      'could not reach its',
    ],
    [
      'error: Request failed\n  cause: dns error\n  cause: No solution found',
      'could not reach its package index',
    ],
    [
      'error: No solution found when resolving dependencies\n  cause: there is no version of x',
      'there is no',
    ],
    ['OSError: [Errno 28] No space left on device', 'the disk is full'],
    ['ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM x', 'arrived with a wrong checksum'],
    ["note: x\nerror: invalid value for '--python-platform'\n", 'could not fetch'],
  ])('told by the tool: %j', async (mode, message) => {
    expect(await fault([], { tool: 'uv', mode })).toEqual([3, expect.stringContaining(message)]);
  });

  test('wheels that cannot be used', async () => {
    const folder = join(desk.folder, 'given', 'bad');
    mkdirSync(folder, { recursive: true });
    const wheel = (name: string, one: MadeUpPackage): string => writeWheel(join(folder, name), one);
    const cut = wheel('cut', tensorflow('2.21.0'));
    truncateSync(cut, 3000);
    const flipped = wheel('flipped', tensorflow('2.21.0', { look: { bytes: 100_000 } }));
    const bytes = readFileSync(flipped);
    bytes.fill(0x5a, bytes.length >> 1, (bytes.length >> 1) + 40);
    writeFileSync(flipped, bytes);
    const text = join(folder, 'text.whl');
    writeFileSync(text, 'no wheel at all');
    const empty = join(folder, 'empty');
    mkdirSync(empty);
    const two = join(folder, 'two');
    for (const version of ['2.19.0', '2.20.0']) writeWheel(two, tensorflow(version));
    const cases: readonly (readonly [string, string])[] = [
      [wheel('sum', tensorflow('2.21.0', { damaged: `tensorflow/${names[1]}` })), 'and RECORD says'],
      [cut, 'is no wheel, or it is damaged'],
      [flipped, 'damaged'],
      [text, 'is no wheel, or it is damaged'],
      [
        wheel('windows', tensorflow('2.21.0', { platform: 'win_amd64' })),
        'is for win_amd64; this machine is Linux',
      ],
      [
        wheel('musl', tensorflow('2.21.0', { platform: 'musllinux_1_2_x86_64' })),
        'is for musllinux_1_2_x86_64',
      ],
      [wheel('arm', tensorflow('2.21.0', { look: { arch: 'arm' } })), 'cannot be used'],
      [wheel('old', tensorflow('2.15.0')), 'TensorFlow 2.15.0 is too old: 2.16 is the oldest'],
      [wheel('text', tensorflow('2.21.0', { files: new Map() })), 'holds no libtensorflow_framework.so'],
      [empty, 'holds no TensorFlow wheel'],
      [two, 'holds TensorFlow 2.19.0 and 2.20.0; say which with --version'],
    ];
    for (const [from, message] of cases) {
      expect(await fault(['--from', from])).toEqual([3, expect.stringContaining(message)]);
    }
    expect(await fault(['--from', two, '--version', '2.21.0'])).toEqual([
      3,
      expect.stringContaining('holds TensorFlow 2.19.0, 2.20.0, not 2.21.0'),
    ]);
  });

  test('a file that the system refuses', async () => {
    const wheel = writeWheel(
      join(desk.folder, 'given', 'large'),
      tensorflow('2.21.0', { look: { bytes: 4_000_000 } }),
    );
    const { code, stderr } = await start(
      '/bin/bash',
      ['-c', `ulimit -f 2000; exec "${process.execPath}" "${program}" engine install --from "${wheel}"`],
      { cwd: desk.folder, environment: { XDG_CACHE_HOME: cache } },
    );
    expect([code, stderr]).toEqual([
      3,
      expect.stringMatching(/error: cannot write \S+: the file is larger than is allowed here\n$/),
    ]);
    expect(left()).toEqual([]);
  });

  test('a cache that cannot be made', async () => {
    writeFileSync(cache, '');
    expect(await fault([])).toEqual([3, `error: cannot make ${root()}: a part of that path is a file`]);
    cache = '/proc/none';
    expect(await fault([])).toEqual([3, expect.stringMatching(/^error: cannot make \S+: /)]);
  });
});
