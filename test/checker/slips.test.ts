/** What people write who know other libraries: one error each, in its place, with the word that is meant here. */
import { expect, test } from 'vitest';
import { only } from './training-spec.js';

type Slip = readonly [replaced: Parameters<typeof only>[0], code: string, at: string, help: string | null];

const model = (body: string, result = 'f32[n, 10]'): { readonly model: string } => ({
  model: `model Net on image: f32[n, 8, 8, 1] -> ${result} { ${body} }`,
});
const head = 'flatten() |> dense(10) as head';
const train = (body: string): { readonly train: string } => ({
  train: `step train(batch in train_set) { ${body} }`,
});
const loss = 'softmax_cross_entropy(Net(batch.image), batch.label)';

const slips: readonly Slip[] = [
  [model('return image |> flatten() |> Linear(10) as head'), 'ZT2001', 'Linear', 'write `dense`'],
  [model(`return image |> BatchNorm2d() as b |> ${head}`), 'ZT2001', 'BatchNorm2d', 'write `batch_norm`'],
  [
    model('return image |> flatten() |> dense(10, activation = "relu") as head'),
    'ZT2002',
    'activation',
    'apply it behind the layer: `|> relu()`',
  ],
  [
    model(`return image |> conv2d(4, kernel_size = 3) as c |> ${head}`),
    'ZT2002',
    'kernel_size',
    'write `kernel`',
  ],
  [model('return image.view(n, 64) |> dense(10) as head'), 'ZT2003', 'view', 'write `reshape(image, …)`'],
  [
    model('return reshape(image, [-1, 64]) |> dense(10) as head'),
    'ZT3103',
    'reshape(image, [-1, 64])',
    'a size is not left open by -1: write it, such as `n`, or `flatten()`',
  ],
  [
    model('let h = flatten(image) return concat(h, h) |> dense(10) as head'),
    'ZT3203',
    'h',
    'write the tensors as a list: `[a, b]`',
  ],
  [
    model('return image |> dense(10) as head'),
    'ZT3105',
    'image |> dense(10) as head',
    'write `|> flatten()` before the last layers, or reduce the axes that are too many',
  ],
  [
    {
      ...model('return image |> flatten() |> dense(1) as head', 'f32[n]'),
      ...train('update opt { minimize mean(squared_error(Net(batch.image), cast(batch.label, f32))) }'),
      validate: '',
    },
    'ZT3105',
    'image |> flatten() |> dense(1) as head',
    'write `|> squeeze(axis = -1)` behind it',
  ],
  [
    { optimizer: 'optimizer opt = adam { of = Net weight_decay = 5.percent }' },
    'ZT3202',
    '5.percent',
    'write `0.05`',
  ],
  [{ trainer: 'trainer Digits { epochs = 5.percent }' }, 'ZT3202', '5.percent', null],
  [
    { model: `model Net on image: float32[n, 8, 8, 1] -> f32[n, 10] { return image |> ${head} }` },
    'ZT2001',
    'float32',
    'write `f32`',
  ],
  [
    { model: `model Net on image: f32[-1, 8, 8, 1] -> f32[n, 10] { return image |> ${head} }` },
    'ZT3203',
    '-1',
    'a name stands for any size: `f32[n, 4]`',
  ],
  [
    { model: `model Net(image: f32[n, 8, 8, 1]) -> f32[n, 10] { return image |> ${head} }` },
    'ZT1001',
    '->',
    'parentheses hold parameters; inputs stand behind them: `on x: f32[n, 4] -> f32[n, 2]`',
  ],
  [{ optimizer: 'optimizer opt = adam { of = "Net" }' }, 'ZT2006', '"Net"', 'write its name alone: `Net`'],
  [{ optimizer: 'optimizer opt = adam { params = Net.parameters() }' }, 'ZT2002', 'params', 'write `of`'],
  [{ optimizer: 'optimizer opt = adam { of = Net eps = 1e-8 }' }, 'ZT2002', 'eps', 'write `epsilon`'],
  [
    train('update opt { minimize mean(softmax_cross_entropy(batch.label, Net(batch.image))) }'),
    'ZT3201',
    'batch.label',
    '`logits` comes first, then `label`',
  ],
  [
    train(`update opt { minimize mean(${loss}) } metric a = mean(Net(batch.image) == batch.label)`),
    'ZT3201',
    'batch.label',
    'write `argmax(x)` to compare the likeliest class with a label',
  ],
  [
    train('update opt { minimize mean(cross_entropy(Net(batch.image), batch.label)) }'),
    'ZT2001',
    'cross_entropy',
    'write `softmax_cross_entropy`',
  ],
  [
    train('update opt { minimize mean(softmax_cross_entropy(Net(batch.image), batch.y)) }'),
    'ZT2003',
    'y',
    'write `label`',
  ],
  [train(`minimize mean(${loss})`), 'ZT4106', `minimize mean(${loss})`, 'write `update opt { minimize … }`'],
  [train(`update Net { minimize mean(${loss}) }`), 'ZT2006', 'Net', 'optimizers of this file are `opt`'],
  [
    train(`let l = mean(${loss}) l.backward()`),
    'ZT1044',
    'l',
    'gradients are taken and applied by `update opt { minimize loss }`',
  ],
  [
    { trainer: 'trainer Digits { epochs = 10.epochs }' },
    'ZT3202',
    '10.epochs',
    'write `10`: here the name says what is counted',
  ],
  [{ trainer: 'trainer Digits { epochs = "10" }' }, 'ZT3203', '"10"', 'write `10`, without quotes'],
  [
    train(`update opt { minimize mean(${loss}) } metric a = accuracy(batch.label, Net(batch.image))`),
    'ZT3201',
    'batch.label',
    '`logits` comes first, then `label`',
  ],
  [
    train(
      `update opt { minimize mean(${loss}) } metric a = mean(squared_error(Net(batch.image), cast(batch.label, f32)))`,
    ),
    'ZT3101',
    'cast(batch.label, f32)',
    'write `expand_dims(x, axis = -1)`, which adds an axis of 1',
  ],
  [
    train('update opt { minimize mean(softmax_cross_entropy(Net(batch), batch.label)) }'),
    'ZT3203',
    'batch',
    'take one of its fields: `.image`, `.label`',
  ],
  [
    model('return image |> conv2d(4, kernel = (3, 3)) as c |> flatten() |> dense(10) as head'),
    'ZT3203',
    '(3, 3)',
    'write `3`, which holds for each axis',
  ],
  [
    model('return image flatten() |> dense(10) as head'),
    'ZT1001',
    'flatten',
    'write `|> flatten(…)` to apply it',
  ],
  [model('return image | flatten()'), 'ZT1001', '|', 'a layer or function is applied with `|>`'],
  [{ optimizer: 'optimizer opt = adam { of = Net clip = 0.5 }' }, 'ZT3203', '0.5', 'write `norm(0.5)`'],
  [
    { optimizer: 'optimizer opt = adam { of = Net lr = cosine(to = 0, over = rest) }' },
    'ZT2001',
    'cosine',
    'phases stand in a schedule, whose name is their value: `schedule s { cosine(…) }`',
  ],
  [
    {
      param: 'param warm: int = 10',
      schedule: 'schedule s { warmup(to = 1e-3, over = warm) }',
      optimizer: 'optimizer opt = adam { of = Net lr = s }',
    },
    'ZT3202',
    'warm',
    'write `warm.steps`',
  ],
  [
    {
      train_set:
        'data train_set = digits { map row -> { image: flatten(cast(row.image, f32)), label: row.label } }',
    },
    'ZT4900',
    'flatten(cast(row.image, f32))',
    'make it in the step or in the model',
  ],
  [
    {
      param: 'const widths = [32, 64]',
      ...model('return flatten(image) |> dense(widths[2]) as h |> dense(10) as head'),
    },
    'ZT3203',
    '2',
    'the list has 2 items, counted from 0',
  ],
  [{ trainer: 'trainer Digits { num_epochs = 10 }' }, 'ZT2002', 'num_epochs', 'write `epochs`'],
  [
    { validate: 'step validate(batch in test_set) every 5 { metric a = 1 }' },
    'ZT3202',
    '5',
    'write `5.epochs` or `5.steps`',
  ],
  [
    { addon: 'addon early_stopping { monitor = "val_loss" }' },
    'ZT3203',
    '"val_loss"',
    'name a step and a metric of it: `min(validate.loss)`',
  ],
  [
    {
      train_set:
        'data train_set = digits { shuffle = True map row -> { image: cast(row.image, f32), label: row.label } }',
    },
    'ZT2001',
    'True',
    'write `true`',
  ],
  [
    { train_set: 'data train_set = digits { map row -> { image: row.image / 16, label: row.label } }' },
    'ZT3201',
    'row.image',
    'write `cast(x, f32) / 255` for pixels, or another cast',
  ],
  [
    { train_set: 'data train_set = digits { map row -> { image: cast(row.image, f32) label: row.label } }' },
    'ZT1001',
    'label',
    'a comma stands before `label`',
  ],
  [
    {
      train_set: 'data train_set = digits { map = row -> { image: cast(row.image, f32), label: row.label } }',
    },
    'ZT1001',
    '->',
    'write `map row -> { image: row.image }`',
  ],
  [
    {
      param: 'param k: int = 3',
      train: `step train(batch in train_set) { assert not k update opt { minimize mean(${loss}) } }`,
    },
    'ZT3203',
    'k',
    null,
  ],
];

test.each(slips)('%o', (replaced, code, at, help) => {
  const found = only(replaced);
  expect({ code: found.code, at: found.at, help: found.help }).toEqual({ code, at, help });
});
