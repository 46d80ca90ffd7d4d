/**
 * A spec whose model is written in TypeScript, compiled and run as a program beside one whose model is the same in the language: the
 * runs, and what they leave behind, must be the same byte for byte, so that one can go on where the other ended.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readSafetensors } from '../../src/runtime/checkpoint/safetensors.js';
import { lastCheckpoint, lastWeights, openWorkplace, type Run, type Workplace } from './run-spec.js';

const code = `import { nn, ops, type Tensor, type Tensor2D, type Tensor4D } from 'ztrain/runtime';

interface Options {
  readonly width: number;
  readonly classes: number;
  readonly rate: number;
}

export class Net extends nn.Module<[image: Tensor4D], Tensor2D> {
  readonly hidden: nn.Dense;
  readonly norm: nn.Module<[x: Tensor], Tensor>;
  readonly drop: nn.Module<[x: Tensor], Tensor>;
  readonly head: nn.Dense;
  constructor(readonly options: Options) {
    super();
    const { width, classes, rate } = options;
    this.hidden = this.add('hidden', nn.dense({ inputs: 64, units: width }));
    this.norm = this.add('norm', nn.batchNorm({ inputs: width }));
    this.drop = this.add('drop', nn.dropout({ rate }));
    this.head = this.add('head', nn.dense({ inputs: width, units: classes }));
  }
  protected override forward(image: Tensor4D): Tensor2D {
    const x = this.norm.call(this.hidden.call(ops.flatten<Tensor2D>(image)));
    return this.head.call(this.drop.call(ops.relu(x)));
  }
}
`;

const inTypeScript = `const classes = 10
extern "./net.ts" {
  model Net(rate: float = 0.2 where rate >= 0 and rate < 1) on image: f32[n, 8, 8, 1] -> f32[n, classes] {
    weights = {
      hidden: { weight: f32[64, width], bias: f32[width] },
      norm: { gamma: f32[width], beta: f32[width] },
      head: { weight: f32[width, classes], bias: f32[classes] }
    }
    state = { norm: { mean: f32[width], variance: f32[width] } }
    random = true
    meets_rows = true
  }
}`;

const inSpec = `model Net(rate: float = 0.2 where rate >= 0 and rate < 1) on image: f32[n, 8, 8, 1] -> f32[n, 10] {
  return image |> flatten() |> dense(width) as hidden |> batch_norm() as norm |> relu() |> dropout(rate) as drop |> dense(10) as head
}`;

const specOf = (model: string, more = ''): string => `param width: int = 16 where width >= 1
data train_set = digits { batch = 64 shuffle = true map row -> { image: cast(row.image, f32) / 16, label: row.label } }
data test_set = train_set { split = "test" shuffle = false }
${model}
model Smooth = ema(Net, decay = 0.9)
optimizer opt = adamw {
  of = Net lr = 1e-2 weight_decay = 0.1
  group plain { match = ["**.bias", "norm.*"] weight_decay = 0 }
  group head { match = ["head.weight"] freeze = after(1.epoch) }
}
step train(batch in train_set) { update opt { minimize mean(softmax_cross_entropy(Net(batch.image), batch.label)) } }
step validate(batch in test_set) every 1.epoch {
  metric accuracy = mean(argmax(Net(batch.image)) == batch.label)
  metric smooth = mean(argmax(Smooth(batch.image)) == batch.label)
}
step predict(batch in test_set) { return { label: argmax(Net(batch.image)) } }
trainer Digits { epochs = 2 seed = 1 }
${more}
`;

let place: Workplace;
const runs = new Map<string, Run>();
const train = async (name: string, spec: string, words: readonly string[] = []): Promise<Run> => {
  writeFileSync(join(place.folder, `${name}.ztrain`), spec);
  const run = await place.train(await place.build(name), name, words);
  runs.set(name, run);
  return run;
};
const trained = (name: string): Run => {
  const run = runs.get(name);
  if (run === undefined) throw new Error(`${name} was not trained`);
  return run;
};

beforeAll(async () => {
  place = openWorkplace();
  writeFileSync(join(place.folder, 'net.ts'), code);
  await train('given', specOf(inSpec), ['width=24']);
  await train('made', specOf(inTypeScript), ['width=24']);
}, 240_000);
afterAll(() => place.remove());

/** What a run has measured, without times. */
const measured = ({ records }: Run): readonly unknown[] =>
  records.map((record) =>
    Object.entries(record).filter(([key]) => key !== 'wall' && !key.includes('per_second')),
  );

test('it trains as the model in the language does: every number, and every byte of the checkpoint', () => {
  const [given, made] = [trained('given'), trained('made')];
  expect(measured(made)).toEqual(measured(given));
  expect(made.metrics.get('validate.accuracy')).toBeGreaterThan(0.85);
  const names = [...readSafetensors(lastWeights(made)).tensors.keys()];
  expect(names).toContain('Net.hidden.weight');
  expect(names).toContain('Smooth.norm.variance');
  for (const file of ['model.safetensors', 'optimizer.safetensors']) {
    const [a, b] = [given, made].map((run) => readFileSync(join(lastCheckpoint(run), file)));
    expect(a?.equals(b ?? Buffer.of()), file).toBe(true);
  }
});

test('one begins with the weights of the other, by `pretrained` and `frozen`', async () => {
  const { folder } = trained('given');
  const more = `addon pretrained { from = "${folder}" into = Net unused = ["Smooth.**"] }`;
  const spec = specOf(inTypeScript, more)
    .replace('epochs = 2', 'epochs = 1')
    .replace('lr = 1e-2', 'lr = 1e-4');
  const run = await train('begun', spec, ['width=24']);
  expect(run.metrics.get('validate.accuracy')).toBeGreaterThan(0.9);
  const taught = specOf(inTypeScript, '')
    .replace('model Smooth', `model Teacher = frozen(Net, from = "${folder}")\nmodel Smooth`)
    .replace('minimize mean(', 'minimize mean(square(Net(batch.image) - Teacher(batch.image))) + mean(');
  const { metrics } = await train('taught', taught, ['width=24']);
  expect(metrics.get('validate.accuracy')).toBeGreaterThan(0.85);
  const tensors = readSafetensors(lastWeights(trained('taught'))).tensors;
  const before = readSafetensors(lastWeights(trained('given'))).tensors;
  for (const part of ['hidden.weight', 'norm.mean', 'head.bias'])
    expect(tensors.get(`Teacher.${part}`)?.values).toEqual(before.get(`Net.${part}`)?.values);
}, 240_000);

test('of a class that owns something else, the program ends before it trains', async () => {
  writeFileSync(join(place.folder, 'other.ts'), code.replace("this.add('norm'", "this.add('standard'"));
  writeFileSync(join(place.folder, 'other.ztrain'), specOf(inTypeScript).replace('./net.ts', './other.ts'));
  const program = await place.build('other');
  const failed = await place.call(program, ['--run-dir', join(place.folder, 'runs', 'other')]).then(
    () => null,
    (error: unknown) => error,
  );
  expect(failed).toHaveProperty('code', 3);
  expect(failed).toHaveProperty(
    'stderr',
    expect.stringMatching(
      /model `Net` of \.\/other\.ts owns standard\.gamma, which the spec does not declare/,
    ),
  );
}, 120_000);
