/** TypeScript of a spec's own that does what built-ins do, and specs that use the one or the other. */

export const own = `import { metrics, nn, ops, optim, schedules, type Scalar, type Tensor, type Tensor1D, type Tensor2D } from 'ztrain/runtime';
import type { units } from 'ztrain/runtime';

export const hits = (logits: Tensor2D, label: Tensor1D): metrics.Reduction => {
  const right = ops.toFloat(ops.equal<Tensor1D>(ops.argmax<Tensor1D>(logits), label));
  return metrics.fromSums({ right: ops.sum<Scalar>(right), rows: label.size }, ({ right, rows }) => right / rows);
};

export const counted = (
  logits: Tensor2D,
  label: Tensor1D,
  { classes, weight = null }: { readonly classes: number; readonly weight?: Tensor1D | null },
): metrics.NamedFigures<'rows' | 'sum' | 'most'> => {
  const of = ops.oneHot<Tensor2D>(label, { classes });
  const kept = weight === null ? of : ops.mul<Tensor2D>(of, ops.expandDims<Tensor2D>(weight, { axis: -1 }));
  return metrics.figuresFromSums(
    { labels: ops.sum<Tensor1D>(kept, { axis: 0 }), rows: logits.shape[0] },
    {
      rows: ({ rows }) => rows,
      sum: ({ labels }) => labels.reduce((all, each) => all + each, 0),
      most: ({ labels }) => Math.max(...labels),
    },
  );
};

export const ownAdam = (options: {
  readonly betas: readonly number[];
  readonly epsilon: number;
}): optim.UpdateRule<'m' | 'v'> => {
  const [b1 = 0.9, b2 = 0.999] = options.betas;
  return {
    slots: { m: 0, v: 0 },
    update: ({ weight, gradient, rate, weightDecay, count, slots }) => {
      const corrected = (beta: number) => ops.sub(1, ops.exp(ops.mul(count, Math.log(beta))));
      const m = ops.add<Tensor>(ops.mul<Tensor>(slots.m, b1), ops.mul<Tensor>(gradient, 1 - b1));
      const v = ops.add<Tensor>(ops.mul<Tensor>(slots.v, b2), ops.mul<Tensor>(ops.square(gradient), 1 - b2));
      const root = ops.add<Tensor>(ops.sqrt(ops.div<Tensor>(v, corrected(b2))), options.epsilon);
      const step = ops.div<Tensor>(ops.div<Tensor>(m, corrected(b1)), root);
      const shrunk = ops.sub<Tensor>(weight, ops.mul<Tensor>(weight, ops.mul(rate, weightDecay)));
      return { weight: ops.sub<Tensor>(shrunk, ops.mul<Tensor>(step, rate)), slots: { m, v } };
    },
  };
};

export const ramp = ({ to }: { readonly to: number }): schedules.StartedCurve => ({ length }) => (index, from) =>
  from + ((to - from) * (index + 1)) / length;

export const level = (options: { readonly value: number; readonly turn: units.Quantity }): schedules.Curve => ({ steps }) => {
  const turn = steps({ unit: 'steps', value: options.turn.value });
  return (index) => (index < turn ? options.value : options.value / 2);
};

/** x · weight + bias, by weights of its own. */
class Line extends nn.Module<[x: Tensor2D], Tensor2D> {
  readonly weight: nn.Weight<Tensor2D>;
  readonly bias: nn.Weight<Tensor1D>;
  constructor({ inputs, units, init }: { readonly inputs: number; readonly units: number; readonly init: string }) {
    super();
    const fans = { inputs, outputs: units };
    this.weight = this.addWeight('weight', [inputs, units], nn.initializer(init, inputs * units, fans));
    this.bias = this.addWeight('bias', [units], nn.constantInitializer(units, 0));
  }
  protected override forward(x: Tensor2D): Tensor2D {
    return ops.add<Tensor2D>(ops.matmul<Tensor2D>(x, this.weight.read()), this.bias.read());
  }
}
export const line = (options: { readonly inputs: number; readonly units: number; readonly init: string }): Line =>
  new Line(options);

/** Batch normalization, with running statistics of its own. */
class Norm extends nn.Module<[x: Tensor], Tensor> {
  readonly gamma: nn.Weight<Tensor1D>;
  readonly beta: nn.Weight<Tensor1D>;
  readonly mean: nn.Weight<Tensor1D>;
  readonly variance: nn.Weight<Tensor1D>;
  constructor(readonly options: { readonly channels: number; readonly momentum: number }) {
    super();
    const { channels } = options;
    this.gamma = this.addWeight('gamma', [channels], nn.constantInitializer(channels, 1));
    this.beta = this.addWeight('beta', [channels], nn.constantInitializer(channels, 0));
    this.mean = this.addState('mean', [channels], nn.constantInitializer(channels, 0));
    this.variance = this.addState('variance', [channels], nn.constantInitializer(channels, 1));
  }
  protected override forward(x: Tensor): Tensor {
    const axis = x.shape.slice(0, -1).map((_, at) => at);
    const trains = nn.isTraining();
    const mean = trains ? ops.mean<Tensor1D>(x, { axis }) : this.mean.read();
    const apart = ops.sub<Tensor>(x, mean);
    const variance = trains ? ops.mean<Tensor1D>(ops.square(apart), { axis }) : this.variance.read();
    if (trains) {
      this.#keep(this.mean, mean);
      this.#keep(this.variance, variance);
    }
    const scale = ops.mul<Tensor1D>(ops.rsqrt(ops.add<Tensor1D>(variance, 1e-5)), this.gamma.read());
    return ops.add<Tensor>(ops.mul<Tensor>(apart, scale), this.beta.read());
  }
  #keep(state: nn.Weight<Tensor1D>, now: Tensor1D): void {
    const { momentum } = this.options;
    state.assign(ops.add<Tensor1D>(ops.mul<Tensor1D>(state.read(), momentum), ops.mul<Tensor1D>(now, 1 - momentum)));
  }
}
export const ownNorm = (options: { readonly channels: number; readonly momentum: number }): Norm => new Norm(options);

/** A built-in layer inside, random numbers, and a second input. */
class Drop extends nn.Module<[x: Tensor2D, y: Tensor2D], Tensor2D> {
  readonly inner: nn.Dense;
  constructor(readonly options: { readonly inputs: number; readonly rate: number }) {
    super();
    this.inner = this.add('inner', nn.dense({ inputs: options.inputs, units: options.inputs }));
  }
  protected override forward(x: Tensor2D, y: Tensor2D): Tensor2D {
    const { rate } = this.options;
    const mixed = ops.add<Tensor2D>(this.inner.call(x), y);
    if (!nn.isTraining()) return mixed;
    const kept = ops.toFloat(ops.greaterEqual<Tensor2D>(ops.uniformLike(mixed, { draw: 'kept' }), rate));
    return ops.mul<Tensor2D>(mixed, ops.div<Tensor2D>(kept, 1 - rate));
  }
}
export const drop = (options: { readonly inputs: number; readonly rate: number }): Drop => new Drop(options);
`;

export interface Parts {
  readonly schedule: string;
  readonly optimizer: string;
  readonly metric: string;
  /** Between the pixels and the last layer. */
  readonly layers: string;
}

export const builtIn: Parts = {
  schedule:
    'schedule warm { constant(0.002, over = 8.steps) constant(0.001, over = 12.steps) linear(to = 0.0005, over = rest) }',
  optimizer: 'adamw { of = Net lr = warm weight_decay = 0.1',
  metric: 'mean(argmax(Net(batch.image)) == batch.label)',
  layers: 'dense(16) as hidden |> tanh() |> batch_norm(momentum = 0.8) as norm',
};
export const externs: Parts = {
  schedule: 'schedule warm { level(0.002, over = 20.steps, turn = 8.steps) ramp(0.0005, over = rest) }',
  optimizer: 'own_adam { of = Net lr = warm weight_decay = 0.1',
  metric: 'hits(Net(batch.image), batch.label)',
  layers: 'line(16) as hidden |> tanh() |> own_norm(momentum = 0.8) as norm',
};

export const specOf = (
  { schedule, optimizer, metric, layers }: Parts,
  more = '',
  declared = true,
): string => `
${
  declared
    ? `extern "./own.ts" {
  /// The part of rows whose largest logit is the label.
  metric hits(logits: f32[n, c], label: i32[n]) -> f32
  metric counted(logits: f32[n, c], label: i32[n], classes: int, weight: f32[n] | none = none) -> { rows: f32, sum: f32, most: f32 }
  optimizer own_adam(lr: float | schedule = 1e-3, betas: float[2] = [0.9, 0.999], epsilon: float = 1e-8 where epsilon > 0, weight_decay: float = 0 where weight_decay >= 0) {
    slots = ["m", "v"]
  }
  schedule ramp(to: float, over: duration, from: float | none = none)
  layer line(units: int where units >= 1, init: string = "glorot_uniform") on x: f32[n, inputs] -> f32[n, units] {
    weights = { weight: f32[inputs, units], bias: f32[units] }
  }
  layer own_norm(momentum: float = 0.9) on x: f32[...s, channels] -> f32[...s, channels] {
    weights = { gamma: f32[channels], beta: f32[channels] } state = { mean: f32[channels], variance: f32[channels] }
    meets_rows = true
  }
  layer drop(rate: float = 0.5) on x: f32[n, inputs], y: f32[n, inputs] -> f32[n, inputs] {
    weights = { inner: { weight: f32[inputs, inputs], bias: f32[inputs] } } random = true
  }
  schedule level(value: float where value > 0, over: duration, turn: steps = 1.step)
}`
    : ''
}
data train_set = digits { batch = 64 shuffle = true map row -> { image: cast(row.image, f32) / 16, label: row.label } }
data test_set = train_set { split = "test" batch = 100 shuffle = false }
model Net on image: f32[n, 8, 8, 1] -> f32[n, 10] {
  return image |> flatten() |> ${layers} |> dense(10) as head
}
${schedule}
optimizer opt = ${optimizer} clip = norm(1.0)
  group still { match = ["hidden.bias"] freeze = 5.steps }
  group plain { match = ["**.bias"] weight_decay = 0 } }
step train(batch in train_set) {
  update opt {
    let logits = Net(batch.image)
    minimize mean(softmax_cross_entropy(logits, batch.label))
  }
}
step validate(batch in test_set) every 1.epoch {
  metric accuracy = ${metric}
  ${more}
}
trainer Digits { epochs = 2 seed = 3 }
addon lr_log { every = 1.step }
`;
