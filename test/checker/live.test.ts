/** Live data: which models a source is handed, what the code is, and what the run may not ask of rows that are not there. */
import { describe, expect, test } from 'vitest';
import { checkProgram } from '../../src/checker/check.js';
import { memoryHost } from '../../src/checker/host.js';
import { emit } from '../../src/codegen/emit.js';

interface Parts {
  readonly source?: string;
  readonly declared?: string;
  readonly more?: string;
  readonly data?: string;
  readonly body?: string;
  readonly trainer?: string;
}

const spec = ({
  source = 'policy: Actor, envs: int = 2',
  declared = '{ live = true }',
  more = '',
  data = 'policy = Actor batch = 8',
  body = 'metric late = mean(batch.late)',
  trainer = 'steps = 10',
}: Parts = {}): string => `
extern "./play.ts" {
  data play(${source}) -> { obs: f32[4], action: i32, late: f32 | missing } ${declared}
}
data games = play { ${data} }
model Actor(width: int = 3) on obs: f32[n, 4] -> f32[n, 2] { return obs |> dense(width) as hidden |> dense(2) as head }
model Other on obs: f32[n, 4] -> f32[n, 2] { return obs |> dense(2) as head }
${data.includes('Slow') ? 'model Slow = ema(Actor, decay = 0.9)' : ''}
optimizer opt = adam { of = [Actor, Other] }
step train(batch in games) {
  update opt {
    minimize mean(softmax_cross_entropy(Actor(batch.obs) + Other(batch.obs), batch.action))
  }
  ${body}
}
${more}
trainer T { ${trainer} }
`;

const check = (parts: Parts) => {
  const text = spec(parts);
  const checked = checkProgram('main.ztrain', memoryHost({ 'main.ztrain': text, 'play.ts': '' }));
  const found = checked.diagnostics.map(
    ({ code, message, span }) => `${code} ${message} @ ${text.slice(span.start, span.end)}`,
  );
  return { ...checked, found };
};

const codeOf = async (parts: Parts): Promise<string> => {
  const { ir, found } = check(parts);
  expect(found).toEqual([]);
  const files = ir === null ? [] : await emit(ir, { compilerVersion: '0.1.0' });
  return files.map((file) => file.text.replaceAll(/\s+/g, ' ')).join('');
};

test('a source is handed the model by its name, with what it takes of a row', async () => {
  const code = await codeOf({});
  expect(code).toContain("{ policy: data.model('Actor', { obs: { dtype: 'f32', shape: [4] } }), envs: 2 }");
  expect(code).toMatch(/data\.live<\{/);
  expect(code).toContain('data.ModelFunction<{ readonly obs: Float32Array }, Float32Array>');
  expect(code).toContain('readonly late: data.ValuesOrMissing');
  expect(code).toContain('readonly obs: data.SourceValues');
});

test('sizes of a model follow its parameters', async () => {
  const made =
    'const half = 2\nmodel Made(width: int = 3) on obs: f32[n, 2 * width] -> f32[n] { return obs |> dense(1) as head |> squeeze(axis = -1) }\nmodel Wide = Made(half)\n';
  const text = spec({ source: 'policy: Wide', data: 'policy = Wide batch = 8' })
    .replace('model Actor', `${made}model Actor`)
    .replace('[Actor, Other]', '[Actor, Other, Wide]')
    .replace('batch.action))', 'batch.action)) + mean(Wide(batch.obs))');
  const { ir, diagnostics } = checkProgram('main.ztrain', memoryHost({ 'main.ztrain': text, 'play.ts': '' }));
  expect(diagnostics.map(({ message }) => message)).toEqual([]);
  const files = ir === null ? [] : await emit(ir, { compilerVersion: '0.1.0' });
  expect(files.map(({ text: code }) => code).join('')).toContain(
    "data.model('Wide', { obs: { dtype: 'f32', shape: [2 * half] } })",
  );
});

test('a copy of the model may stand for it, and is part of the run', async () => {
  const code = await codeOf({ data: 'policy = Slow batch = 8' });
  expect(code).toContain("data.model('Slow'");
  expect(code).toContain('copies.ema(');
});

test('a mean of what may be missing is one of what is known', async () => {
  const code = await codeOf({});
  expect(code).toMatch(
    /late: rows\.mean\( ?ops\.select\(batch\.late\.missing, 0, batch\.late\.value\), \{ weight: ops\.cast<Tensor1D>\(ops\.not\(batch\.late\.missing\), \{ to: 'f32' \}\),? \}/,
  );
});

test('with a weight, each of what is known counts by its weight', async () => {
  expect(await codeOf({ body: 'metric late = mean(batch.late, weight = batch.action)' })).toMatch(
    /late: rows\.mean\( ?ops\.select\(batch\.late\.missing, 0, batch\.late\.value\), \{ weight: ops\.select\( ?batch\.late\.missing, 0, ops\.cast<Tensor1D>\(batch\.action, \{ to: 'f32' \}\),? ?\)/,
  );
});

test('a run may end by the clock alone', () => {
  expect(check({ trainer: 'max_time = 10.minutes' }).found).toEqual([]);
});

test('another data set in the step gives it epochs', () => {
  const text = spec({ trainer: 'epochs = 2' })
    .replace('batch in games', 'batch in games, other in shown')
    .replace('model Actor', 'data shown = csv -> { a: f32 } { file = "a.csv" batch = 8 }\nmodel Actor')
    .replace('metric late', 'metric a = mean(other.a)\n metric late');
  const { diagnostics } = checkProgram(
    'main.ztrain',
    memoryHost({ 'main.ztrain': text, 'play.ts': '', 'a.csv': 'a\n1\n' }),
  );
  expect(diagnostics.map(({ message }) => message)).toEqual([]);
});

describe('is refused:', () => {
  test.each<[string, Parts, string]>([
    [
      'another model',
      { data: 'policy = Other batch = 8' },
      'ZT2006 `Other` is another model, but `Actor`, or a copy of it, is needed here @ Other',
    ],
    [
      'no model',
      { data: 'policy = 3 batch = 8' },
      'ZT2006 `3` is no model, but `Actor`, or a copy of it, is needed here @ 3',
    ],
    [
      'a model for a source that is not live',
      { declared: '', trainer: 'epochs = 1' },
      'ZT3203 `policy` of `play` is a model, a value expected @ Actor',
    ],
    [
      'something else than a truth',
      { declared: '{ live = "yes" }', source: 'envs: int = 2', data: 'batch = 8', trainer: 'epochs = 1' },
      'ZT3203 `live` of `play` is something else, `true` or `false` expected @ "yes"',
    ],
    [
      'a shuffle',
      { data: 'policy = Actor batch = 8 shuffle = true' },
      'ZT4221 `shuffle` does not fit live data (`games`) @ shuffle = true',
    ],
    [
      'batches ahead',
      { data: 'policy = Actor batch = 8 prefetch = 2.batches' },
      'ZT4221 `prefetch` does not fit live data (`games`) @ prefetch = 2.batches',
    ],
    [
      'workers',
      { data: 'policy = Actor batch = 8 workers = 2' },
      'ZT4221 `workers` does not fit live data (`games`) @ workers = 2',
    ],
    [
      'epochs',
      { trainer: 'epochs = 3' },
      'ZT4222 `epochs` is of epochs, and live data (`games`) has none @ 3',
    ],
    [
      'a limit in training',
      { trainer: 'steps = 10 limit = { train: 5.batches }' },
      'ZT4222 `limit.train` is of epochs, and live data (`games`) has none @ 5.batches',
    ],
    [
      'an interval of epochs',
      { more: 'addon checkpoint { every = 2.epochs }' },
      'ZT4222 this length is of epochs, and live data (`games`) has none @ 2.epochs',
    ],
    [
      'overfit',
      { trainer: 'steps = 10 overfit = 2.batches' },
      'ZT4221 `overfit` does not fit live data (`games`) @ 2.batches',
    ],
    [
      'a validation without an end',
      {
        more: 'data watch = games { }\nstep validate(batch in watch) every 5.steps { metric late = mean(batch.late) }',
      },
      'ZT4221 `step validate` does not fit live data (`watch`) @ watch',
    ],
    [
      'a validation of what is trained on',
      {
        more: 'step validate(batch in games) every 5.steps { metric late = mean(batch.late) }',
        trainer: 'steps = 10 limit = { validate: 2.batches }',
      },
      'ZT4221 `step validate` of what is trained on does not fit live data (`games`) @ games',
    ],
    [
      'a prediction',
      { more: 'data watch = games { }\nstep predict(batch in watch) { return { all: Actor(batch.obs) } }' },
      'ZT4221 `step predict` does not fit live data (`watch`) @ watch',
    ],
    [
      'what may be missing, but for a mean',
      { body: 'metric late = sum(batch.late)' },
      'ZT3207 `batch.late` may be missing, and a step needs it @ batch.late',
    ],
    [
      'a mean of it along an axis',
      { body: 'metric late = sum(mean(batch.late, axis = 0))' },
      'ZT3207 this value may be missing, and `mean` with `axis` in a step needs it @ batch.late',
    ],
    [
      'a mean of it with a weight that may be missing too',
      { body: 'metric late = mean(batch.late, weight = batch.late)' },
      'ZT3207 this value may be missing, and `weight` of `mean` needs it @ batch.late',
    ],
    [
      'a mean of it with a weight of another shape',
      { body: 'metric late = mean(batch.late, weight = batch.obs)' },
      'ZT3101 `weight` has 2 ([batch.size, 4]) axes, 1, as the values have, expected @ batch.obs',
    ],
  ])('%s', (_, parts, error) => {
    expect(check(parts).found).toEqual([error]);
  });
});

test('an evaluation that says how long it is is fine, and needs no epochs', () => {
  const more =
    'data watch = games { batch = 4 }\nstep validate(batch in watch) every 5.steps { metric late = mean(batch.late) }';
  expect(check({ more, trainer: 'steps = 10 limit = { validate: 2.batches }' }).found).toEqual([]);
});

test('a question of the epoch is refused', () => {
  expect(check({ body: 'if run.epoch >= 2.epochs { metric late = mean(batch.late) }' }).found).toContain(
    'ZT4222 `run.epoch` is of epochs, and live data (`games`) has none @ run.epoch',
  );
});

describe('defaults in epochs', () => {
  const grid = (every: string) =>
    `addon image_grid { of = Actor(zeros([4, 4])) |> reshape([2, 2, 2]) ${every} }`;
  test('of an add-on', () => {
    expect(check({ more: grid('') }).found).toEqual([
      `ZT4222 \`every = 1 epoch\`, the default of \`image_grid\`, is of epochs, and live data (\`games\`) has none @ ${grid('')}`,
    ]);
    expect(check({ more: grid('every = 5.steps') }).found).toEqual([]);
  });
  test('of an average', () => {
    const average = (every: string) => ({
      more: `model Settled = average(Actor, from = 5.steps${every})`,
      body: 'metric late = mean(Settled(batch.obs))',
    });
    expect(check(average('')).found).toEqual([
      expect.stringMatching(
        /^ZT4222 `every = 1 epoch`, the default of `average`, is of epochs, and live data \(`games`\) has none @ model Settled/,
      ),
    ]);
    expect(check(average(', every = 2.steps')).found).toEqual([]);
  });
});
