/** `show --plan`: the timetable of a run with all that comes every so often or at one time. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { planLines } from '../../src/cli/show-plan.js';
import { settingsOf } from '../../src/cli/settings.js';
import { checkSpec, specFile } from '../../src/cli/specs.js';
import { digits } from '../../src/runtime/data/index.js';
import { parseOverride } from '../../src/values/overrides.js';
import { percent } from '../../src/values/units.js';
import { program, start } from './command-line.js';

const folder = mkdtempSync(join(tmpdir(), 'ztrain-plan-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const whole = `data train_set = digits { batch = 32 shuffle = true map row -> { image: cast(row.image, f32) / 16, label: row.label } }
data test_set = train_set { split = "test" batch = 128 shuffle = false }
model Net on image: f32[n, 8, 8, 1] -> f32[n, 10] { return image |> flatten() |> dense(16) as hidden |> relu() |> dense(10) as head }
model Smooth = ema(Net, decay = 0.99)
model Settled = average(Net, from = 2.epochs, every = 1.epoch)
optimizer opt = adam { of = Net group body { match = ["hidden.*"] freeze = 1.epoch } }
step train(batch in train_set) {
  update opt { minimize mean(softmax_cross_entropy(Net(batch.image), batch.label)) }
  every 50.steps { metric late = mean(softmax_cross_entropy(Smooth(batch.image), batch.label)) }
}
step validate(batch in test_set) every 1.epoch { metric loss = mean(softmax_cross_entropy(Settled(batch.image), batch.label)) }
# allow ZT5028 "once, at the end"
step validate as rare(batch in test_set) every 20.epochs { metric loss = mean(softmax_cross_entropy(Net(batch.image), batch.label)) }
step validate as odd(batch in test_set) every 50.steps { metric loss = mean(softmax_cross_entropy(Net(batch.image), batch.label)) }
trainer Digits { epochs = 3 log_every = 20.steps }
addon checkpoint { every = 1.epoch best = min(validate.loss) }
addon early_stopping { monitor = min(validate.loss) patience = 1 }
addon lr_log { every = 40.steps }
addon csv_log { }
addon image_grid { of = Net(first(test_set, 16).image)[:, :9] |> reshape([16, 3, 3]) every = 1.epoch }
`;

const planOf = (text: string, ...overrides: readonly string[]): readonly string[] => {
  const path = join(folder, 'plan.ztrain');
  writeFileSync(path, text);
  const spec = specFile(path);
  const checked = checkSpec(spec);
  expect(checked.diagnostics).toEqual([]);
  const trainer = checked.ir?.trainer;
  if (!trainer || checked.ir === null) throw new Error('no trainer');
  return planLines(spec, checked, trainer, settingsOf(trainer, checked.ir, overrides.map(parseOverride)));
};

test('of a whole run', () => {
  expect(planOf(whole).join('\n')).toMatchInlineSnapshot(`
    "train: 45 steps an epoch, 135 in all (3 epochs)
      train_set: 1,438 rows, 45 batches of 32, the last of 30
        in the step: image
      every 50 steps (metric late): in steps 50, 100 (2 times)
    validate: every 1 epoch: after 45, 90, 135 (3 times)
      test_set: 359 rows, 3 batches of 128, the last of 103
        in the step: image
    rare: every 20 epochs, which the run is too short for: at the end, after 135 (1 time)
      test_set: 359 rows, 3 batches of 128, the last of 103
        in the step: image
    odd: every 50 steps: after 50, 100, and at the end, after 135 (3 times)
      test_set: 359 rows, 3 batches of 128, the last of 103
        in the step: image
    freeze: group body of \`opt\` in steps 1 to 45, trained from 46 on
    ema Smooth of Net: after every update
    average Settled of Net: takes weights in after 90, 135 (2 times)
    add-ons, phase by phase in the order of their hooks:
      independent (by itself): lr_log, csv_log, image_grid
      trigger (may end or change the run): early_stopping
      dependent (after all others, by what they have done): checkpoint
    checkpoint: every 1 epoch: after 45, 90, 135 (3 times); after a validation with the best validate.loss; at the end
    early_stopping: validate.loss is measured 3 times, patience 1: a run that does not improve ends after step 90
    metrics of training: at the end of each epoch, and in between: every 20 steps: after 20, 40, 60, … (6 times)
    lr_log: every 40 steps: after 40, 80, 120 (3 times)
    csv_log: with each line of metrics
    image_grid: every 1 epoch: after 45, 90, 135 (3 times)"
  `);
});
test('what is frozen later on, or but for a time', () => {
  const frozen = (freeze: string, spec = whole): readonly string[] =>
    planOf(
      spec
        .replace(/^(?:  every 50.steps|model Smooth) .*$/gm, '')
        .replace('freeze = 1.epoch', `freeze = ${freeze}`),
    ).filter((line) => line.startsWith('freeze'));
  const group = 'freeze: group body of `opt`';
  expect(frozen('after(2.epochs)')).toEqual([`${group}, trained in steps 1 to 90, frozen from 91 on`]);
  expect(frozen('after(2.epochs, first = 10.steps)')).toEqual([
    `${group} in steps 1 to 10, trained from 11 to 90, frozen from 91 on`,
  ]);
  const short = whole.replace('epochs = 3', 'epochs = 3 dev_run = 20.batches');
  expect(frozen('after(2.epochs)', short)).toEqual([`${group} never, the run has 20 steps`]);
  expect(frozen('after(2.epochs, first = 10.steps)', short)).toEqual([
    `${group} in steps 1 to 10, trained from 11 on`,
  ]);
  expect(frozen('after(2.epochs, first = 1.epoch)', short)).toEqual([`${group} in all 20 steps`]);
  writeFileSync(join(folder, 'own.ts'), '');
  const unknown = `extern "./own.ts" { data own(number: int) -> { image: f32[8, 8, 1], label: i32 } }\n${whole
    .replace(/data train_set = .*/, 'data train_set = own { number = 1 }')
    .replace(/data test_set = .*/, 'data test_set = own { number = 2 }')}`;
  expect(frozen('after(2.epochs, first = 10.steps)', unknown)).toEqual([
    `${group} for 10 steps, and after 2 epochs, to the end`,
  ]);
  expect(frozen('10.steps', unknown)).toEqual([`${group} in steps 1 to 10, trained from 11 on`]);
});

const live = (more: string, trainer = 'steps = 50'): string =>
  `extern "./own.ts" { data own() -> { image: f32[8, 8, 1], label: i32 } { live = true } }
data play = own { batch = 8 }
model Net on image: f32[n, 8, 8, 1] -> f32[n, 10] { return image |> flatten() |> dense(10) as head }
optimizer opt = adam { of = Net }
step train(batch in play) {
  update opt { minimize mean(softmax_cross_entropy(Net(batch.image), batch.label)) }
}
trainer Play { ${trainer} }
${more}
`;

test('of a run on live data, which has no epochs', () => {
  writeFileSync(join(folder, 'own.ts'), '');
  const best = 'addon checkpoint { every = 10.steps best = min(train.loss) }';
  expect(planOf(live(best)).join('\n')).toMatchInlineSnapshot(`
    "train: 50 steps
      play: live, batches of 8 as the step asks for them
    add-ons, phase by phase in the order of their hooks:
      dependent (after all others, by what they have done): checkpoint
    checkpoint: every 10 steps: after 10, 20, 30, … (5 times); after a line of metrics with the best train.loss; at the end
    metrics of training: every 50 steps: after 50 (1 time)"
  `);
  const metrics = (trainer: string): string | undefined =>
    planOf(live('', trainer)).find((line) => line.startsWith('metrics'));
  expect(metrics('steps = 55')).toBe(
    'metrics of training: every 50 steps: after 50, and at the end, after 55 (2 times)',
  );
  expect(metrics('steps = 50 log_every = 5.steps')).toBe(
    'metrics of training: every 5 steps: after 5, 10, 15, … (10 times)',
  );
  expect(metrics('max_time = 1.hour')).toBe('metrics of training: every 50 steps, and at the end');
  expect(planOf(live('', 'steps = 50 accumulate = 4')).slice(0, 2)).toEqual([
    'train: 50 steps',
    '  play: live, batches of 8 as the step asks for them, 4 in each: 32 rows a step',
  ]);
});

test('a best figure of training is that of an epoch', () => {
  const text = whole.replace('best = min(validate.loss)', 'best = min(train.loss)');
  expect(planOf(text).find((line) => line.startsWith('checkpoint'))).toContain(
    '; after an epoch with the best train.loss; ',
  );
});

test('of a dev run', () => {
  const dev = whole.replace('epochs = 3', 'epochs = 3 dev_run = 2.batches');
  expect(planOf(dev).join('\n')).toMatchInlineSnapshot(`
    "train: 45 steps an epoch, 2 in all (dev_run)
      train_set: 1,438 rows, 45 batches of 32, the last of 30
        in the step: image
      every 50 steps (metric late): never, the run has 2 steps
      a dev run: at most 2 steps of one epoch, and nothing is written
    validate: once, at the end (dev_run), of 2 batches at most
      test_set: 359 rows, 3 batches of 128, the last of 103
        in the step: image
    rare: once, at the end (dev_run), of 2 batches at most
      test_set: 359 rows, 3 batches of 128, the last of 103
        in the step: image
    odd: once, at the end (dev_run), of 2 batches at most
      test_set: 359 rows, 3 batches of 128, the last of 103
        in the step: image
    freeze: group body of \`opt\` in all 2 steps
    ema Smooth of Net: after every update
    average Settled of Net: takes weights in after no step
    add-ons, phase by phase in the order of their hooks:
      independent (by itself): lr_log, csv_log, image_grid
    metrics of training: at the end of each epoch, and in between: every 20 steps: never, the run has 2 steps
    lr_log: every 40 steps: never, the run has 2 steps
    csv_log: with each line of metrics
    image_grid: every 1 epoch: never, the run has 2 steps"
  `);
});

test('what meets the end of an epoch is said, not left out in silence', () => {
  const often = whole.replace('log_every = 20.steps', 'log_every = 15.steps');
  expect(planOf(often).find((line) => line.startsWith('metrics'))).toBe(
    'metrics of training: at the end of each epoch, and in between: every 15 steps: after 15, 30, 60, … (6 times; 3 more meet the end of an epoch)',
  );
});

test('of a run of steps whose epochs are not known', () => {
  writeFileSync(join(folder, 'own.ts'), '');
  const unknown = `extern "./own.ts" { data own(number: int) -> { image: f32[8, 8, 1], label: i32 }
  schedule turns(to: float, over: duration, from: float | none = none) }\n${whole
    .replace(/data train_set = .*/, 'data train_set = own { number = 1 }')
    .replace(/data test_set = .*/, 'data test_set = own { number = 2 }')
    .replace(/model Settled = .*/, 'model Settled = average(Net, from = 30.steps, every = 10.steps)')
    .replace('freeze = 1.epoch', 'freeze = 10.percent')
    .replace('{ of = Net', '{ of = Net lr = warm')
    .replace(
      'optimizer opt',
      `schedule warm { warmup(to = 1e-2, over = 10.percent) turns(to = 1e-3, over = 20.steps) cosine(to = 0, over = 10.steps)
  linear(from = 1e-3, to = 0, over = rest, every = 20.steps) }\noptimizer opt`,
    )
    .replace('epochs = 3', 'steps = 100')}`;
  expect(planOf(unknown).join('\n')).toMatchInlineSnapshot(`
    "train: 100 steps
      train_set: its rows come from ./own.ts
      every 50 steps (metric late): in steps 50, 100 (2 times)
    validate: every 1 epoch, and at the end
      test_set: its rows come from ./own.ts
    rare: every 20 epochs, and at the end
      test_set: its rows come from ./own.ts
    odd: every 50 steps: after 50, 100 (2 times)
      test_set: its rows come from ./own.ts
    freeze: group body of \`opt\` in steps 1 to 10, trained from 11 on
    ema Smooth of Net: after every update
    average Settled of Net: takes weights in after 30, 40, 50, … (8 times)
    add-ons, phase by phase in the order of their hooks:
      independent (by itself): lr_log, csv_log, image_grid
      trigger (may end or change the run): early_stopping
      dependent (after all others, by what they have done): checkpoint
    checkpoint: every 1 epoch; after a validation with the best validate.loss; at the end
    metrics of training: at the end of each epoch, and in between: every 20 steps: after 20, 40, 60, … (5 times, or fewer where it meets the end of an epoch)
    lr_log: every 40 steps: after 40, 80 (2 times)
    csv_log: with each line of metrics
    image_grid: every 1 epoch
    schedule warm:
      warmup: steps 1 to 10, 0.001 to 0.01
      turns: steps 11 to 30, values not known before the run
      cosine: steps 31 to 40, values not known before the run
      linear: steps 41 to 100, 0.001 to 0.0003333, a new value every 20 steps (3 values)"
  `);
});

test('a step that looks at the run, which way it goes when', () => {
  const loss = 'mean(softmax_cross_entropy(Net(batch.image), batch.label))';
  const ways = (text: string): readonly string[] =>
    planOf(text).filter((line) => /^ {2}(?:if|else)/.test(line));
  const branches = whole
    .replace(/^(?:model S|  every 50.steps).*$/gm, '')
    .replace('Settled(', 'Net(')
    .replace('freeze = 1.epoch', 'lr = 1e-4')
    .replace(
      `update opt { minimize ${loss} }`,
      `if run.epoch < 1.epoch or run.step >= 100.steps { update opt { minimize ${loss} } } else { update opt { minimize (if run.epoch == 1.epoch then 2 else 1) * ${loss} } }`,
    )
    .replace(
      `every 50.steps { metric loss = `,
      'every 50.steps { metric loss = (if run.step > 60.steps then 1 else 0) * ',
    );
  expect(ways(branches)).toEqual([
    '  if run.epoch < 1.epoch or run.step >= 100.steps (update opt): in steps 1 to 45, 101 to 135 (80 times)',
    '  else (update opt): in steps 46 to 100 (55 times)',
    '  if run.epoch == 1.epoch, as a value: in steps 46 to 90 (45 times)',
    '  if run.step > 60.steps, as a value: in passes after 100, 135 (2 times)',
  ]);
  // Where an epoch's length is not known, neither is when it has come to one.
  writeFileSync(join(folder, 'own.ts'), '');
  const unknown = `extern "./own.ts" { data own(number: int) -> { image: f32[8, 8, 1], label: i32 } }\n${branches
    .replace(/data train_set = .*/, 'data train_set = own { number = 1 }')
    .replace(/data test_set = .*/, 'data test_set = own { number = 2 }')
    .replace('epochs = 3', 'steps = 135')}`;
  expect(ways(unknown)).toEqual([
    '  if run.epoch < 1.epoch or run.step >= 100.steps (update opt)',
    '  else (update opt)',
    '  if run.epoch == 1.epoch, as a value',
    '  if run.step > 60.steps, as a value: in passes after 100, 135 (2 times)',
  ]);
});

test('what is written of rows, and a freeze that takes effect', () => {
  const returning = whole.replace(
    'trainer Digits',
    'step predict(batch in test_set) { return { guess: argmax(Net(batch.image)) } }\naddon predictions { file = "rows.csv" }\ntrainer Digits',
  );
  const rows = (text: string): readonly string[] =>
    planOf(text).filter((line) => line.startsWith('predictions'));
  expect(rows(returning)).toEqual(['predictions: writes the rows of `predict`']);
  const allowed = '# allow ZT5020 "later"\n';
  const none = returning.replace(/^step predict.*$/m, '').replace('addon pred', `${allowed}addon pred`);
  expect(rows(none)).toEqual(['predictions: writes nothing, as no step returns rows']);
  const replaced = whole
    .replace('optimizer opt', `${allowed}optimizer opt`)
    .replace(' } }\nstep', ' } group all { match = ["**"] freeze = 2.epochs } }\nstep');
  expect(planOf(replaced).filter((line) => line.startsWith('freeze'))).toEqual([
    'freeze: group all of `opt` in steps 1 to 90, trained from 91 on',
  ]);
});

test('a measure step over two sets is one, and a schedule says what it keeps for a time', () => {
  const measured = whole
    .replace(
      'model Net',
      'data others = digits { map row -> { image: cast(row.image, f32) / 16 } }\nstep measure as seen(one in train_set, two in others) { metric mu = mean(one.image) metric nu = mean(two.image) }\nmodel Net',
    )
    .replace('return image |>', 'return (image - seen.mu) |>')
    .replace(
      'optimizer opt',
      'schedule falling { linear(from = 0.1, to = 0.01, over = 2.epochs, every = 1.epoch) step(factor = 0.5, every = 20.steps, over = rest) }\noptimizer opt',
    )
    .replace('{ of = Net', '{ of = Net lr = falling')
    .replace(/^addon checkpoint.*$/m, '');
  const lines = planOf(measured);
  expect(lines.filter((line) => line.startsWith('seen'))).toEqual(['seen: once, before training']);
  expect(lines.slice(1, 4)).toEqual([
    '  train_set: 1,438 rows, 45 batches of 32, the last of 30',
    '    in the step: image',
    '  others: 1,438 rows, 45 batches of 32, the last of 30',
  ]);
  expect(lines.slice(lines.indexOf('schedule falling:'))).toEqual([
    'schedule falling:',
    '  linear: steps 1 to 90, 0.1 to 0.055, a new value every 1 epoch (2 values)',
    '  step: steps 91 to 135, 0.01 to 0.0025, a new value every 20 steps (3 values)',
  ]);
  // Without the add-on a run saves as well; a dev run does not.
  const saved = (text: string): readonly string[] =>
    planOf(text).filter((line) => line.startsWith('checkpoint'));
  expect(saved(measured)).toEqual(['checkpoint: at the end, as there is no checkpoint add-on']);
  expect(saved(measured.replace('epochs = 3', 'epochs = 3 dev_run = 2.batches'))).toEqual([]);
});

test('rows of a part by class are those that a run reads, where a source is always the same', async () => {
  for (const split of ['train', 'test', 'all'] as const)
    for (const share of [7, 10, 33, 50]) {
      const text = whole
        .replace(
          'data train_set = digits { batch = 32',
          `data train_set = digits { split = "${split}" parts = { own: ${share}.percent, others: ${100 - share}.percent } part = "own" stratify = "label" batch = 1`,
        )
        .replace(
          'data test_set = train_set { split = "test" ',
          'data test_set = train_set { part = "others" ',
        );
      const opened = await digits({
        split,
        parts: { own: percent(share), others: percent(100 - share) },
        part: 'own',
        stratify: 'label',
      }).open({ root: '.', seed: 0, label: 'a' });
      const all = { train: '1,438', test: '359', all: '1,797' }[split];
      expect(planOf(text)[1]).toContain(`: ${opened.rows} of ${all} rows, `);
    }
});

test('an average without every, and from the start, as the run takes weights in', async () => {
  const spec = (
    from: string,
  ): string => `data train_set = digits { batch = 32 shuffle = true map row -> { image: cast(row.image, f32) / 16, label: row.label } }
data test_set = train_set { split = "test" batch = 128 shuffle = false }
model Net on image: f32[n, 8, 8, 1] -> f32[n, 10] { return image |> flatten() |> dense(10) as head }
model Settled = average(Net, from = ${from})
optimizer opt = sgd { of = Net lr = 0.1 }
step train(batch in train_set) { update opt { minimize mean(softmax_cross_entropy(Net(batch.image), batch.label)) } }
step validate(batch in test_set) every 1.epoch { metric loss = mean(softmax_cross_entropy(Settled(batch.image), batch.label)) }
trainer Averaged { epochs = 4 summary = false limit = { train: 7.batches, validate: 1.batches } }
addon checkpoint { every = 1.steps keep = 100 }
`;
  for (const [from, plan, taken] of [
    ['50.percent', 'after 14, 21, 28 (3 times)', [14, 21, 28]],
    ['1.percent', 'at the start, and after 7, 14, 21, … (4 times)', [0, 7, 14, 21, 28]],
    ['0.steps', 'at the start, and after 7, 14, 21, … (4 times)', [0, 7, 14, 21, 28]],
  ] as const) {
    expect(planOf(spec(from))).toContain(`average Settled of Net: takes weights in ${plan}`);
    const runDir = join(folder, `averaged-${from}`);
    const ended = await start(program, ['run', 'plan.ztrain', '--engine', 'embedded', '--run-dir', runDir], {
      cwd: folder,
    });
    expect(ended.stderr).not.toContain('error');
    expect(ended.code).toBe(0);
    const counts = Array.from({ length: 28 }, (_, at) => countIn(runDir, at + 1));
    const increased = counts.flatMap((count, at) =>
      count > (counts[at - 1] ?? (taken[0] === 0 ? 1 : 0)) ? [at + 1] : [],
    );
    expect(increased).toEqual(taken.filter((step) => step > 0));
    expect(counts.at(-1)).toBe(taken.length);
  }
});

test.each([
  ['1', '0.04 up to 1 with the last update'],
  ['0.5', '0.04 up to 1, then down to 0.000004'],
])('one cycle with pct_start = %s', (share, text) => {
  const cycled = whole
    .replace('adam { of = Net', 'adam { of = Net lr = s')
    .replace('optimizer', `schedule s { one_cycle(peak = 1, pct_start = ${share}, over = rest) }\noptimizer`);
  expect(planOf(cycled).join('\n')).toContain(text);
});

/** How many weights the average holds in the checkpoint of a step. */
const countIn = (runDir: string, step: number): number => {
  const name = `step-${String(step).padStart(8, '0')}`;
  const bytes = readFileSync(join(runDir, 'checkpoints', name, 'optimizer.safetensors'));
  const header = 8 + Number(bytes.readBigUInt64LE(0));
  const tensors: unknown = JSON.parse(bytes.toString('utf8', 8, header));
  const found: unknown = Reflect.get(Object(tensors), 'Settled/count');
  const offsets: unknown = Reflect.get(Object(found), 'data_offsets');
  return bytes.readFloatLE(header + (Array.isArray(offsets) ? Number(offsets[0]) : Number.NaN));
};
