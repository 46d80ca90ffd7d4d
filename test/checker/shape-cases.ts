/**
 * One spec text for each way to make a shape. Names of one letter are sizes, drawn at random; `k s i j` are numbers of the
 * text itself, never names.
 */
export interface ShapeCase {
  readonly inputs: readonly string[];
  readonly expr: string;
  /** Refused where sizes have names, because it fits some of them only. */
  readonly onlyNumbers?: true;
}

const unary = (expr: string): ShapeCase => ({ inputs: ['f32[n, a, b]'], expr });
const image = (expr: string): ShapeCase => ({ inputs: ['f32[n, h, w, c]'], expr });

export const shapeCases: Readonly<Record<string, ShapeCase>> = {
  // Pooling and convolution.
  'max_pool, valid': image('max_pool(x, k, stride = s)'),
  'max_pool, same': image('max_pool(x, k, stride = s, padding = "same")'),
  'max_pool, own stride': image('max_pool(x, k)'),
  'avg_pool, valid': image('avg_pool(x, k, stride = s)'),
  'avg_pool, same': image('avg_pool(x, k, stride = s, padding = "same")'),
  'avg_pool, twice': image('x |> avg_pool(k, padding = "same") |> avg_pool(s)'),
  'conv2d, valid': image('x |> conv2d(3, kernel = k, stride = s) as conv'),
  'conv2d, same': image('x |> conv2d(3, kernel = k, stride = s, padding = "same") as conv'),
  'conv2d, two': image(
    'x |> conv2d(2, kernel = k, stride = s, padding = "same") as a1 |> conv2d(3, kernel = s, stride = k) as a2',
  ),
  'conv2d_transpose, valid': image('x |> conv2d_transpose(2, kernel = k, stride = s) as up'),
  'conv2d_transpose, same': image('x |> conv2d_transpose(2, kernel = k, stride = s, padding = "same") as up'),
  'conv2d_transpose after conv2d': image(
    'x |> conv2d(2, kernel = k, stride = s, padding = "same") as down |> conv2d_transpose(1, kernel = k, stride = s, padding = "same") as up',
  ),
  'depthwise_conv2d, valid': image('x |> depthwise_conv2d(kernel = k, stride = s, multiplier = 2) as conv'),
  'depthwise_conv2d, same': image(
    'x |> depthwise_conv2d(kernel = k, stride = s, padding = "same", bias = false) as conv',
  ),
  global_avg_pool: image('global_avg_pool(x)'),
  global_max_pool: image('global_max_pool(x)'),

  // Layers over the last axis.
  dense: unary('x |> dense(5) as d'),
  'dense, no bias': unary('x |> dense(k, bias = false) as d'),
  layer_norm: unary('x |> layer_norm() as l'),
  rms_norm: unary('x |> rms_norm() as l'),
  batch_norm: image('x |> batch_norm() as l'),
  dropout: unary('x |> dropout(0.5)'),
  lstm: unary('x |> lstm(k) as r'),
  'lstm, both ways': unary('x |> lstm(k, direction = "both") as r'),
  'lstm, a mask': { inputs: ['f32[n, a, b]', 'f32[n, a]'], expr: 'x |> lstm(2, mask = y > 0) as r' },
  'lstm, the last state': unary('x |> lstm(3, direction = "both", last = true, bias = false) as r'),
  gru: unary('x |> gru(k, direction = "backward") as r'),
  embedding: { inputs: ['i32[n, a]'], expr: 'x |> embedding(4, k) as e' },

  // Element by element.
  'same shapes': { inputs: ['f32[n, a, b]', 'f32[n, a, b]'], expr: 'x + y' },
  'fewer axes': { inputs: ['f32[n, a, b]', 'f32[a, b]'], expr: 'x * y' },
  'fewer axes on the left': { inputs: ['f32[b]', 'f32[n, a, b]'], expr: 'x - y' },
  'a scalar': { inputs: ['f32[n, a]', 'f32[]'], expr: 'x / y' },
  'a literal one': { inputs: ['f32[n, a, b]', 'f32[n, 1, b]'], expr: 'x + y' },
  'literal ones on both sides': { inputs: ['f32[n, 1, b]', 'f32[1, a, b]'], expr: 'x + y' },
  'sizes that differ': { inputs: ['f32[n, a]', 'f32[n, b]'], expr: 'x + y', onlyNumbers: true },
  'a number': unary('2 ** x - 1'),
  comparison: { inputs: ['f32[n, a]', 'f32[a]'], expr: 'x < y' },
  'whole numbers': { inputs: ['i32[n, a]', 'i32[n, a]'], expr: 'x % 3 + y' },
  logic: { inputs: ['f32[n, a]', 'f32[n, a]'], expr: 'x > 0 and not (y > 0)' },
  min: { inputs: ['f32[n, a]', 'f32[n, a]'], expr: 'min(x, y)' },
  'max of a number': unary('max(x, 0)'),
  select: { inputs: ['f32[n, a]', 'f32[n, a]'], expr: 'select(x > y, x, y)' },
  'select of numbers': unary('select(x > 0, 1.0, x)'),

  // Products.
  matmul: { inputs: ['f32[a, b]', 'f32[b, c]'], expr: 'x @ y' },
  'matmul in batches': { inputs: ['f32[n, a, b]', 'f32[n, b, c]'], expr: 'x @ y' },
  'matmul with one matrix': { inputs: ['f32[n, a, b]', 'f32[b, c]'], expr: 'x @ y' },
  'matmul of four axes': { inputs: ['f32[n, h, a, b]', 'f32[n, h, b, c]'], expr: 'matmul(x, y)' },
  'matmul of sizes that differ': { inputs: ['f32[a, b]', 'f32[c, a]'], expr: 'x @ y', onlyNumbers: true },
  'matmul of its transpose': unary('x @ transpose(x)'),
  'matmul over a literal one': { inputs: ['f32[n, a, b]', 'f32[1, b, c]'], expr: 'x @ y', onlyNumbers: true },

  // Reductions.
  'sum of all': unary('sum(x)'),
  'sum, one axis': unary('sum(x, axis = 1)'),
  'mean, last axis': unary('mean(x, axis = -1)'),
  'mean, two axes': unary('mean(x, axis = [0, 2])'),
  'mean with a weight': { inputs: ['f32[n, a]', 'f32[n, a]'], expr: 'mean(x, axis = 1, weight = y * y)' },
  max_of: unary('max_of(x, axis = [1, -1])'),
  variance: unary('variance(x, axis = 0)'),
  norm: unary('norm(x, axis = 2)'),
  log_sum_exp: unary('log_sum_exp(x, axis = -2)'),
  argmax: unary('argmax(x)'),
  'argmin, an axis': unary('argmin(x, axis = 1)'),
  in_top: { inputs: ['f32[n, a]', 'i32[n]'], expr: 'in_top(x, y, 1)' },
  softmax: unary('softmax(x, axis = 1)'),

  // Shapes.
  'reshape, joined': unary('reshape(x, [n, a * b])'),
  'reshape, split': { inputs: ['f32[a]', 'f32[n, 2 * a]'], expr: 'reshape(y, [n, a, 2])' },
  'reshape, wrong': { ...unary('reshape(x, [n, a, k])'), onlyNumbers: true },
  'reshape, all': unary('reshape(x, [n * a * b])'),
  flatten: unary('flatten(x)'),
  squeeze: { inputs: ['f32[n, 1, a]'], expr: 'squeeze(x, axis = 1)' },
  'squeeze of a size': { ...unary('squeeze(x, axis = i)'), onlyNumbers: true },
  expand_dims: unary('expand_dims(x, axis = -1)'),
  'expand_dims, an axis': unary('expand_dims(x, axis = i)'),
  transpose: unary('transpose(x)'),
  'transpose, axes': image('transpose(x, axes = [0, 3, 1, 2])'),
  concat: { inputs: ['f32[n, a]', 'f32[n, b]'], expr: 'concat([x, y])' },
  'concat, an axis': { inputs: ['f32[a, b]', 'f32[c, b]'], expr: 'concat([x, y, x], axis = 0)' },
  'concat, other sizes': { inputs: ['f32[a, b]', 'f32[c, b]'], expr: 'concat([x, y])', onlyNumbers: true },
  stack: { inputs: ['f32[n, a]', 'f32[n, a]'], expr: 'stack([x, y])' },
  'stack, an axis': { inputs: ['f32[n, a]', 'f32[n, a]'], expr: 'stack([x, y, x], axis = 0)' },
  repeat_axis: unary('repeat_axis(x, k, axis = i)'),
  pad: { inputs: ['f32[n, a]'], expr: 'pad(x, [(0, 0), (k, s)])' },
  put: { inputs: ['f32[n, a]', 'f32[n]'], expr: 'put(x, y, at = 0, axis = 1)' },
  'put, a place': { inputs: ['f32[n, a]', 'f32[a]'], expr: 'put(x, y, at = i, axis = 0)', onlyNumbers: true },
  one_hot: { inputs: ['i32[n, a]'], expr: 'one_hot(x * 0, k)' },
  take: { inputs: ['f32[4, b]', 'i32[n, a]'], expr: 'take(x, y)' },
  range: { inputs: ['f32[n, a]'], expr: 'x + cast(range(a), f32)' },
  zeros: { inputs: ['f32[n, a]'], expr: 'concat([x, zeros([n, k])])' },
  zeros_like: unary('zeros_like(x)'),
  cast: unary('cast(x > 0, i32)'),
  normal: { inputs: ['f32[n, a]'], expr: 'x + normal([n, a])' },
  uniform_like: unary('uniform_like(x)'),
  choose: unary('choose(x, temperature = 0.5)'),
  split_heads: { inputs: ['f32[b]', 'f32[n, a, 2 * b]'], expr: 'split_heads(y, 2)' },
  'split_heads, other numbers': unary('split_heads(x, k)'),
  merge_heads: image('merge_heads(x)'),
  'heads and back': { inputs: ['f32[b]', 'f32[n, a, 6 * b]'], expr: 'merge_heads(split_heads(y, 3))' },
  causal_mask: { inputs: ['f32[n, a, a]'], expr: 'causal_mask(x)' },
  attention: {
    inputs: ['f32[n, h, a, b]', 'f32[n, h, c, b]'],
    expr: 'attention(x, y, concat([y, y]))',
  },

  // Slices.
  'slice, from': unary('x[:, i:]'),
  'slice, to': unary('x[:, :i]'),
  'slice, from and to': unary('x[:, i:j]'),
  'slice, from the end': unary('x[:, -i:]'),
  'slice, but the last': unary('x[..., :-i]'),
  'slice, both from the end': unary('x[:, -i:-j]'),
  'slice, one index': unary('x[:, i]'),
  'slice, one index from the end': unary('x[..., -i]'),
  'slice, a size': { inputs: ['f32[a]', 'f32[n, 3 * a]'], expr: 'y[:, a:2 * a]' },
  'slice, halves': { inputs: ['f32[a]', 'f32[n, 2 * a]'], expr: 'y[:, :a] * y[:, a:]' },

  // Losses.
  'softmax_cross_entropy of labels': {
    inputs: ['f32[n, a, b]', 'i32[n, a]'],
    expr: 'softmax_cross_entropy(x, y - y)',
  },
  'softmax_cross_entropy of rows': {
    inputs: ['f32[n, b]', 'f32[n, b]'],
    expr: 'softmax_cross_entropy(x, softmax(y))',
  },
  sigmoid_cross_entropy: { inputs: ['f32[n, a]', 'f32[n, a]'], expr: 'sigmoid_cross_entropy(x, y)' },
  'sigmoid_cross_entropy of a number': unary('sigmoid_cross_entropy(x, 1)'),
  squared_error: { inputs: ['f32[n, a]', 'f32[n, a]'], expr: 'squared_error(x, y)' },
  'squared_error of other sizes': {
    inputs: ['f32[n, a]', 'f32[n, b]'],
    expr: 'squared_error(x, y)',
    onlyNumbers: true,
  },
  huber: { inputs: ['f32[n]', 'f32[n]'], expr: 'huber(x, y, delta = 2)' },
};
