/** Gradients of ops that work element by element. */
import type { Tensor } from '@tensorflow/tfjs-core';
import {
  add,
  cos,
  div,
  exp,
  floor,
  greater,
  greaterEqual,
  lessEqual,
  less,
  log,
  mul,
  neg,
  pow,
  select,
  sign,
  sin,
  square,
  sub,
} from '../../ops/arithmetic.js';
import { hasKernel, run, toFloat } from '../../ops/kernel.js';
import { offTape } from '../tape.js';
import { numberAt, unbroadcast, type Rule, type Rules } from './rule.js';

/** λ and λα of selu, as the kernel has them. */
const seluScale = 1.0507009873554805;
const seluScaleAlpha = 1.7580993408473768;

function ofTwo(
  a: (dy: Tensor, x: Tensor, y: Tensor) => Tensor,
  b: (dy: Tensor, x: Tensor, y: Tensor) => Tensor,
): Rule {
  return {
    inputs: ['a', 'b'],
    gradient: (dy, kept) => {
      const x = kept.at(0);
      const y = kept.at(1);
      return {
        a: () => unbroadcast(a(dy, x, y), x.shape),
        b: () => unbroadcast(b(dy, x, y), y.shape),
      };
    },
  };
}

function ofInput(by: (dy: Tensor, x: Tensor) => Tensor): Rule {
  return { inputs: ['x'], gradient: (dy, kept) => ({ x: () => by(dy, kept.at(0)) }) };
}

function ofOutput(by: (dy: Tensor, y: Tensor) => Tensor): Rule {
  return { inputs: [], output: true, gradient: (dy, kept) => ({ x: () => by(dy, kept.output) }) };
}

/** dy where `test` holds, else 0: not a product, so that an infinite dy elsewhere does no harm. */
function where(test: Tensor, dy: Tensor): Tensor {
  return select(test, dy, 0);
}

export const elementwise: Rules = {
  Add: ofTwo(
    (dy) => dy,
    (dy) => dy,
  ),
  Sub: ofTwo(
    (dy) => dy,
    (dy) => neg(dy),
  ),
  Multiply: ofTwo(
    (dy, _, y) => mul(dy, toFloat(y)),
    (dy, x) => mul(dy, toFloat(x)),
  ),
  RealDiv: ofTwo(
    (dy, _, y) => div(dy, y),
    (dy, x, y) => neg(div(mul(dy, x), square(y))),
  ),
  // Where both are equal the gradient goes to the first.
  Maximum: ofTwo(
    (dy, x, y) => where(greaterEqual(x, y), dy),
    (dy, x, y) => where(less(x, y), dy),
  ),
  Minimum: ofTwo(
    (dy, x, y) => where(lessEqual(x, y), dy),
    (dy, x, y) => where(greater(x, y), dy),
  ),
  Mod: ofTwo(
    (dy) => dy,
    (dy, x, y) => neg(mul(dy, floor(div(x, y)))),
  ),
  // A base of 0 or less has no logarithm: the exponent gets 0 there, as in TensorFlow.
  Pow: ofTwo(
    (dy, x, y) => mul(dy, mul(y, pow(x, sub(y, 1)))),
    (dy, x, y) => {
      const positive = greater(x, 0);
      const logarithm = log<Tensor>(select(positive, x, 1));
      return mul(dy, mul(pow(x, y), logarithm));
    },
  ),
  Select: {
    inputs: ['condition'],
    gradient: (dy, kept) => ({
      t: () => select(kept.at(0), dy, 0),
      e: () => select(kept.at(0), 0, dy),
    }),
  },
  Identity: ofOutput((dy) => dy),
  Neg: ofOutput((dy) => neg(dy)),
  Abs: ofInput((dy, x) => mul(dy, sign(x))),
  Exp: ofOutput((dy, y) => mul(dy, y)),
  Expm1: ofOutput((dy, y) => mul(dy, add(y, 1))),
  Log: ofInput((dy, x) => div(dy, x)),
  Log1p: ofInput((dy, x) => div(dy, add(x, 1))),
  Sqrt: ofOutput((dy, y) => div(dy, mul(y, 2))),
  Rsqrt: ofOutput((dy, y) => mul(dy, mul(mul(square(y), y), -0.5))),
  Square: ofInput((dy, x) => mul(dy, mul(x, 2))),
  Sin: ofInput((dy, x) => mul(dy, cos(x))),
  Cos: ofInput((dy, x) => neg(mul(dy, sin(x)))),
  ClipByValue: {
    inputs: ['x'],
    gradient: (dy, kept, attributes) => ({
      x: () => {
        const x = kept.at(0);
        const low = greaterEqual(x, numberAt(attributes, 'clipValueMin'));
        const high = lessEqual(x, numberAt(attributes, 'clipValueMax'));
        return where(run('LogicalAnd', { a: low, b: high }), dy);
      },
    }),
  },
  Relu: ofOutput((dy, y) => run('ReluGrad', { dy, y })),
  // The kernel Step is 1 above 0 and alpha elsewhere.
  LeakyRelu: {
    inputs: ['x'],
    gradient: (dy, kept, attributes) => ({
      x: () => {
        const slope = offTape(() =>
          run<Tensor>('Step', { x: kept.at(0) }, { alpha: numberAt(attributes, 'alpha') }),
        );
        return mul(dy, slope);
      },
    }),
  },
  Elu: ofOutput((dy, y) => select(greater(y, 0), dy, mul(dy, add(y, 1)))),
  Selu: ofInput((dy, x) => select(greater(x, 0), mul(dy, seluScale), mul(dy, mul(exp(x), seluScaleAlpha)))),
  Sigmoid: ofOutput((dy, y) =>
    hasKernel('NativeSigmoidGrad') ? run('NativeSigmoidGrad', { y, dy }) : mul(dy, mul(y, sub(1, y))),
  ),
  Tanh: ofOutput((dy, y) =>
    hasKernel('NativeTanhGrad') ? run('NativeTanhGrad', { y, dy }) : mul(dy, sub(1, square(y))),
  ),
  Softplus: ofInput((dy, x) =>
    hasKernel('NativeSoftplusGrad') ? run('NativeSoftplusGrad', { dy, x }) : mul(dy, run('Sigmoid', { x })),
  ),
  Softmax: {
    inputs: [],
    output: true,
    gradient: (dy, kept) => ({
      logits: () => {
        const y = kept.output;
        const weighted: Tensor = mul(dy, y);
        const total: Tensor = run('Sum', { x: weighted }, { axis: [y.rank - 1], keepDims: true });
        return sub(weighted, mul(y, total));
      },
    }),
  },
};
