import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { checkExterns, compile, nodeHost } from '../../src/compiler.js';

const folder = mkdtempSync(join(tmpdir(), 'ztrain-externs-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const spec = `extern "./rows.ts" {
  data lines(file: path, width: int = 2) -> { x: f32[width] }
}
data train_set = lines { file = "rows.txt" batch = 4 }
model Net on x: f32[n, 2] -> f32[n, 1] { return x |> dense(1) as out }
optimizer opt = sgd { of = Net lr = 0.1 }
step train(batch in train_set) { update opt { minimize mean(square(Net(batch.x))) } }
trainer Lines { epochs = 1 }
`;

const source = (width: string): string => `import type { data } from 'ztrain/runtime';
export const lines = (options: { readonly file: string; readonly width: ${width} }): data.RowSource => ({
  length: options.file.length,
  read: (indices) => ({ x: new Float32Array(2 * indices.length) }),
});
`;

const faultsWith = async (width: string, edit = (text: string): string => text) => {
  const path = join(folder, 'lines.ztrain');
  writeFileSync(path, spec);
  writeFileSync(join(folder, 'rows.ts'), edit(source(width)));
  const compiled = await compile(path, { host: nodeHost });
  if (compiled.emitted === null) throw new Error(JSON.stringify(compiled.diagnostics));
  return checkExterns(compiled, compiled.emitted, compiled.folder);
};

test('an extern that disagrees is an error on the line that declares it', async () => {
  const { diagnostics, rest } = await faultsWith('string');
  expect(rest).toEqual([]);
  expect(diagnostics.map(({ code, span }) => [code, spec.slice(span.start, span.end)])).toEqual([
    ['ZT6001', 'lines'],
  ]);
  expect(diagnostics[0]?.message).toContain("Type 'number' is not assignable to type 'string'");
}, 60_000);

test('an import that leads nowhere is said first, with its line and what may be meant', async () => {
  const found = async (from: string, to: string) => {
    const { diagnostics } = await faultsWith('number', (text) => text.replace(from, to));
    return diagnostics.map(({ code, message, help }) => [code, message.replace(/^.*exports: /, ''), help]);
  };
  const base = "import { Base } from 'ztrain/runtimes';\nexport class Lines extends Base {}\n";
  expect(await found('export const lines = (', `${base}export const lines = (text: Lines, `)).toEqual([
    ['ZT6001', "cannot find module 'ztrain/runtimes' (./rows.ts:2)", "write 'ztrain/runtime' there"],
  ]);
  writeFileSync(join(folder, 'helper.ts'), 'export type Width = number;\n');
  const helper = "import type { Width } from './helpers.js';\n";
  expect(
    await found('export const lines = (', `${helper}export const lines = (text: Width & string, `),
  ).toEqual([['ZT6001', "cannot find module './helpers.js' (./rows.ts:2)", "write './helper.js' there"]]);
}, 60_000);

test('one that agrees is none', async () => {
  expect(await faultsWith('number')).toEqual({ diagnostics: [], rest: [] });
}, 60_000);

const addonSpec = `extern "./notify.ts" {
  addon notify(channel: string, monitor: metric, times: int | none = none) { phase = "dependent" owns = [] }
}
data train_set = digits { batch = 4 map row -> { x: cast(row.image, f32), y: row.label } }
model Net on x: f32[n, 8, 8, 1] -> f32[n, 10] { return x |> flatten() |> dense(10) as out }
optimizer opt = sgd { of = Net lr = 0.1 }
step train(batch in train_set) { update opt { minimize mean(softmax_cross_entropy(Net(batch.x), batch.y)) } }
trainer Notified { epochs = 1 }
addon notify { channel = "#ml" monitor = min(train.loss) }
`;

const addonFaults = async (declared: string, result = 'addons.Start', written = addonSpec) => {
  const path = join(folder, 'notified.ztrain');
  writeFileSync(path, written);
  writeFileSync(
    join(folder, 'notify.ts'),
    `import type { addons } from 'ztrain/runtime';
export const notify = (options: ${declared}): ${result} => {
  throw new Error(String(options));
};
`,
  );
  const compiled = await compile(path, { host: nodeHost });
  if (compiled.emitted === null) throw new Error(JSON.stringify(compiled.diagnostics));
  return checkExterns(compiled, compiled.emitted, compiled.folder);
};

test.each([
  ['an option of another type', '{ readonly channel: number; readonly monitor: addons.Metric }', undefined],
  ['an option that the spec does not give', '{ readonly channel: string; readonly url: string }', undefined],
  [
    'an option that may be missing',
    '{ readonly channel: string; readonly monitor: addons.Metric; readonly times: number }',
    undefined,
  ],
  ['a result that is no add-on', '{ readonly channel: string }', '() => string'],
])(
  'an add-on with %s is one error, where it is declared',
  async (_name, declared, result) => {
    const { diagnostics, rest } = await addonFaults(declared, result);
    expect(rest).toEqual([]);
    expect(diagnostics.map(({ code, span }) => [code, addonSpec.slice(span.start, span.end)])).toEqual([
      ['ZT6001', 'notify'],
    ]);
    expect(diagnostics[0]?.message).toContain('add-on `notify`');
  },
  60_000,
);

test('an option that the add-on does not take is one too: nothing would read it', async () => {
  const { diagnostics, rest } = await addonFaults('{ readonly channel: string; readonly times?: number }');
  expect(rest).toEqual([]);
  expect(diagnostics.map(({ code }) => code)).toEqual(['ZT6001']);
  expect(diagnostics[0]?.message).toContain("'monitor' does not exist");
}, 60_000);

test('an add-on that agrees is none', async () => {
  const declared = '{ readonly channel: string; readonly monitor: addons.Metric; readonly times?: number }';
  expect(await addonFaults(declared)).toEqual({ diagnostics: [], rest: [] });
}, 60_000);

test('hooks that may end the run take the effect that the spec gives', async () => {
  const declared = '{ readonly channel: string; readonly monitor: addons.Metric; readonly times?: number }';
  const { diagnostics } = await addonFaults(declared, "addons.Start<'stop'>");
  expect(diagnostics.map(({ code }) => code)).toEqual(['ZT6001']);
  const owning = addonSpec.replace('owns = []', 'owns = ["stop"]');
  for (const result of ["addons.Start<'stop'>", 'addons.Start'])
    expect(await addonFaults(declared, result, owning)).toEqual({ diagnostics: [], rest: [] });
}, 60_000);

test('one of which there may be several takes its name: the message says how', async () => {
  const many = addonSpec.replace('owns = [] }', 'owns = [] many = true }');
  const rest = 'readonly channel: string; readonly monitor: addons.Metric; readonly times?: number';
  const { diagnostics } = await addonFaults(`{ ${rest} }`, undefined, many);
  expect(diagnostics.map(({ code, help }) => [code, help])).toEqual([
    ['ZT6001', expect.stringContaining('take `readonly label: string` among the options')],
  ]);
  expect(await addonFaults(`{ readonly label: string; ${rest} }`, undefined, many)).toEqual({
    diagnostics: [],
    rest: [],
  });
}, 60_000);

const liveSpec = `extern "./play.ts" {
  data play(policy: Actor, envs: int) -> { obs: f32[4], action: i32, late: f32 | missing } { live = true }
}
data games = play { policy = Actor envs = 2 batch = 8 }
model Actor on obs: f32[n, 4] -> f32[n, 2] { return obs |> dense(2) as head }
optimizer opt = adam { of = Actor }
step train(batch in games) { update opt { minimize mean(softmax_cross_entropy(Actor(batch.obs), batch.action)) } }
trainer Games { steps = 10 }
`;

/** What is found where the source takes such a policy, and gives such a field of what is late, and such observations. */
const liveFaults = async ({
  policy = 'data.ModelFunction<{ readonly obs: Float32Array }, Float32Array>',
  obs = 'new Float32Array(4 * rows)',
  late = 'Array.from(action, (each) => (each === 0 ? null : 1))',
} = {}) => {
  const path = join(folder, 'games.ztrain');
  writeFileSync(path, liveSpec);
  writeFileSync(
    join(folder, 'play.ts'),
    `import type { data } from 'ztrain/runtime';
export const play = ({ policy }: { readonly policy: ${policy}; readonly envs: number }) => ({
  async harvest({ rows, random }: data.Harvest) {
    const obs = ${obs};
    await policy(1, { obs: new Float32Array(4) });
    const action = Int32Array.from({ length: rows }, () => random.integer(2));
    return { obs, action, late: ${late} };
  },
});
`,
  );
  const compiled = await compile(path, { host: nodeHost });
  if (compiled.emitted === null) throw new Error(JSON.stringify(compiled.diagnostics));
  const { diagnostics, rest } = await checkExterns(compiled, compiled.emitted, compiled.folder);
  expect(rest).toEqual([]);
  return diagnostics.map(({ code, span, message }) => [code, liveSpec.slice(span.start, span.end), message]);
};

test('a live source agrees with its models and its fields', async () => {
  expect(await liveFaults()).toEqual([]);
  expect(await liveFaults({ late: 'new Float32Array(rows)' })).toEqual([]);
  const fault = (found: string): unknown => [['ZT6001', 'play', expect.stringContaining(found)]];
  expect(
    await liveFaults({ obs: 'Array.from(new Float32Array(4 * rows), (each) => (each > 0 ? each : null))' }),
  ).toEqual(fault('null'));
  expect(
    await liveFaults({ policy: '(rows: number, inputs: { readonly obs: Float32Array }) => Promise<string>' }),
  ).toEqual(fault('string'));
}, 120_000);
