/**
 * How other frameworks name and lay out the weights of layers. PyTorch: `state_dict` of `torch.nn` (Linear [out, in], Conv2d
 * [out, in, h, w], ConvTranspose2d [in, out, h, w]; LSTM and GRU in recurrent-layouts.ts). Keras 3: `weight.path` of its layers (Dense
 * [in, out], Conv2D [h, w, in, out]).
 */
import type { HostTensor } from '../engine/engine.js';
import { Conv2d, Conv2dTranspose, DepthwiseConv2d } from '../nn/convolution.js';
import { Dense, Embedding } from '../nn/layers.js';
import { parts, type Part } from '../nn/module.js';
import { BatchNorm, LayerNorm, RmsNorm } from '../nn/normalization.js';
import { Bidirectional, Gru, Lstm } from '../nn/recurrent.js';
import type { Weight } from '../nn/weight.js';
import { recurrentWeights } from './recurrent-layouts.js';
import { transposed } from './transposed.js';

/** Whose names and shapes a file has. */
export type WeightLayout = 'ztrain' | 'torch' | 'keras';

/** How a weight stands in a file. */
export interface StoredWeight {
  /** Its path below the part that is loaded. */
  readonly path: string;
  readonly weight: Weight;
  /** Names that it may have in a file, after renaming; the first that is there counts. */
  readonly names: readonly string[];
  /** Its shape in the file. */
  readonly shape: readonly number[];
  /** The same values in the layout of this library. */
  readonly place: (tensor: HostTensor) => HostTensor;
}

/** What a file holds for the weights of a part. */
export interface StoredPart {
  readonly weights: readonly StoredWeight[];
  /** Names of what the layout keeps besides and nothing here has: PyTorch's `num_batches_tracked` of a batch norm. */
  readonly besides: readonly string[];
}

/** Names of weights in a file, by their names here; those that are not among them have the same name. */
type Names = Readonly<Record<string, readonly string[]>>;

const norm: Names = { gamma: ['weight'], beta: ['bias'] };

const namesIn: Readonly<Record<'torch' | 'keras', (part: Part) => Names>> = {
  torch: (part) =>
    part instanceof BatchNorm
      ? { ...norm, mean: ['running_mean'], variance: ['running_var'] }
      : part instanceof LayerNorm || part instanceof RmsNorm
        ? norm
        : {},
  keras: (part) =>
    part instanceof BatchNorm
      ? { mean: ['moving_mean'], variance: ['moving_variance'] }
      : part instanceof RmsNorm
        ? { gamma: ['scale'] }
        : part instanceof Embedding
          ? { weight: ['embeddings'] }
          : part instanceof DepthwiseConv2d
            ? { weight: ['kernel', 'depthwise_kernel'] }
            : part instanceof Dense || part instanceof Conv2d || part instanceof Conv2dTranspose
              ? { weight: ['kernel'] }
              : {},
};

const same = (tensor: HostTensor): HostTensor => tensor;

/** Shape in the file, and the way back, of a weight of more than one axis. Keras has the layout of this library. */
function placed(
  part: Part,
  name: string,
  shape: readonly number[],
  layout: WeightLayout,
): Pick<StoredWeight, 'shape' | 'place'> {
  const [a = 1, b = 1, c = 1, d = 1] = shape;
  if (layout !== 'torch' || name !== 'weight') return { shape, place: same };
  if (part instanceof Dense) return { shape: [b, a], place: (tensor) => transposed(tensor, [1, 0]) };
  // [h, w, inputs, filters] is [filters, inputs, h, w] there; a transposed one has filters before inputs on both sides.
  if (part instanceof Conv2d || part instanceof Conv2dTranspose)
    return { shape: [d, c, a, b], place: (tensor) => transposed(tensor, [2, 3, 1, 0]) };
  if (part instanceof DepthwiseConv2d) {
    // Output channel input · multiplier + k, on both sides.
    const split = [c, d, a, b];
    return {
      shape: [c * d, 1, a, b],
      place: (tensor) => transposed({ ...tensor, shape: split }, [2, 3, 0, 1]),
    };
  }
  return { shape, place: same };
}

/**
 * What a file has for the weights below `part`, in the order of construction. Layers of one's own in TypeScript have their own names
 * and shapes in every layout.
 */
export function storedWeights(part: Part, layout: WeightLayout): StoredPart {
  const weights: StoredWeight[] = [];
  const besides: string[] = [];
  const visit = (each: Part, prefix: string): void => {
    if (
      layout !== 'ztrain' &&
      (each instanceof Lstm || each instanceof Gru || each instanceof Bidirectional)
    ) {
      weights.push(...recurrentWeights(each, prefix, layout));
      return;
    }
    const names = layout === 'ztrain' ? {} : namesIn[layout](each);
    const { children, weights: own } = each[parts];
    for (const [name, weight] of own) {
      weights.push({
        path: `${prefix}${name}`,
        weight,
        names: (names[name] ?? [name]).map((other) => `${prefix}${other}`),
        ...placed(each, name, weight.shape, layout),
      });
    }
    if (layout === 'torch' && each instanceof BatchNorm) besides.push(`${prefix}num_batches_tracked`);
    for (const [name, child] of children) visit(child, `${prefix}${name}.`);
  };
  visit(part, '');
  return { weights, besides };
}
