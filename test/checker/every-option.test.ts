/** Each option of a trainer that is built, all of those together that do not exclude each other: checked, emitted and typed. */
import { expect, test } from 'vitest';
import { checkProgram } from '../../src/checker/check.js';
import { memoryHost } from '../../src/checker/host.js';
import { emit } from '../../src/codegen/emit.js';
import { typecheck } from '../../src/codegen/typecheck.js';
import { optionTable } from '../../src/values/options.gen.js';

const spec = `
data train_set = digits {
  split = "train" batch = 64 shuffle = true drop_last = false on_bad_row = "skip"
  map row -> { image: cast(row.image, f32) / 16, label: row.label }
}
data easy_set = train_set { split = "test" batch = 128 shuffle = false }
data hard_set = csv -> { image: f32[8, 8, 1], label: i32 } {
  file = "data/hard.csv" columns = { image: ["pixel_*"] } batch = 128
}
model Net on image: f32[n, 8, 8, 1] -> f32[n, 10] {
  return image |> flatten() |> dense(64) as hidden |> layer_norm() as norm |> relu() |> dense(10) as head
}
schedule warm { warmup(to = 0.1, over = 50.steps) plateau(validate.loss, factor = 0.5, patience = 2, over = rest) }
optimizer opt = sgd { of = Net lr = warm momentum = 0.9 }
fn loss_of(image: f32[n, 8, 8, 1], label: i32[n]) -> f32 = mean(softmax_cross_entropy(Net(image), label))
step train(batch in train_set) { update opt { minimize loss_of(batch.image, batch.label) } }
step validate(batch in easy_set) every 0.25.epoch { metric loss = loss_of(batch.image, batch.label) }
step validate as hard(batch in hard_set) every 2.epochs = validate
step validate as clock(batch in easy_set) every 10.minutes = validate
step test(batch in easy_set) = validate
step predict(batch in hard_set) { return { guess: argmax(Net(batch.image)) } }
trainer Torture {
  // length
  epochs = 100 steps = none min_epochs = 3 min_steps = 500 max_time = 12.hours + 30.minutes
  // less than everything
  limit = { train: 90.percent, validate: 50.batches, test: 100.percent, predict: 10.batches }
  overfit = none dev_run = none sanity = 2.batches
  // optimization
  accumulate = 4 clip = value(0.5) precision = "bf16" on_nan = "stop" detect_anomaly = true
  // reproducibility and speed
  seed = 1 deterministic = true compile = "graph" reload_data = 5.epochs
  // what one sees
  log_every = 50.steps progress = "bar" summary = 2 profile = "trace" run_dir = "runs/torture"
  // what is not built may be said where it says no more than is done
  devices = "auto" device = none nodes = 1 strategy = none sync_batch_norm = false shard_data = true
}
addon checkpoint { every = 1.hours keep = 3 best = min(validate.loss) on_error = true }
addon early_stopping { monitor = min(validate.loss) patience = 5 min_delta = 1e-3 check_finite = true stop_at = 0.01 diverge_at = 100 }
addon lr_log { every = 10.steps }
addon device_stats {}
`;
const header = `${Array.from({ length: 64 }, (_, at) => `pixel_${at}`).join()},label\n`;

test('every option of the trainer that is built is in it', () => {
  const built = (optionTable.get('trainer/options') ?? []).filter(({ later }) => !later);
  const missing = built.filter(({ name }) => {
    const [option = '', field] = name.split('.');
    return !new RegExp(`\\b${option} = `).test(spec) || (field !== undefined && !spec.includes(`${field}: `));
  });
  expect(built.length).toBeGreaterThan(20);
  expect(missing.map(({ name }) => name)).toEqual([]);
});

test('it is right, and becomes typed code', async () => {
  const host = memoryHost({ '/p/torture.ztrain': spec, '/p/data/hard.csv': header });
  const { ir, diagnostics } = checkProgram('/p/torture.ztrain', host);
  expect(diagnostics.map(({ code, message }) => `${code} ${message}`)).toEqual([]);
  if (ir === null) throw new Error('no IR');
  const files = await emit(ir, { compilerVersion: '0.1.0' });
  const text = files.map((file) => file.text).join('');
  for (const option of ['summary: 2', "profile: 'trace'", 'sanity: units.batches(2)', 'minSteps: 500'])
    expect(text).toContain(option);
  expect(text).not.toMatch(/shardData|nodes|strategy|syncBatchNorm|devices?:/);
  const { faults } = await typecheck(files, { folder: '/torture' });
  expect(faults).toEqual([]);
}, 60_000);
