/**
 * TensorFlow.js' own `model.fit` of LeNet, op by op, on the library that we run on: its layers and optimizers on our backend, with the
 * kernels that only they call. Bundled by bundles.mjs; takes orders as worker.ts does.
 */
import { createInterface } from 'node:readline';
import { readFileSync } from 'node:fs';
import { getKernel, randomUniform, registerKernel, tensor1d, tidy, train } from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-core/dist/public/chained_ops/register_all_chained_ops';
import '@tensorflow/tfjs-core/dist/register_all_gradients';
import { layers, sequential } from '@tensorflow/tfjs-layers';
import { libraryIn } from '../../src/runtime/engine/tensorflow/library-files.js';
import { createTensorFlowEngine } from '../../src/runtime/engine/tensorflow/tensorflow-engine.js';

const { library, threads } = JSON.parse(process.argv[2] ?? '{}');
const backendName = 'tensorflow';
const int32 = 3;

/** A kernel, unless the backend has it: `make` gets a function that makes ops, the inputs' values by name, and attributes. */
const addKernel = (kernelName, make) => {
  if (getKernel(kernelName, backendName) !== undefined) return;
  const kernelFunc = ({ inputs, attrs, backend }) => {
    const { executor } = backend;
    const op = (name, given, attributes = {}) => executor.op(name, given, attributes)[0];
    const ints = (values) => executor.constant(int32, [values.length], Int32Array.from(values));
    const value = (name) => backend.valueFor(inputs[name]);
    const made = executor.tidy(() => make({ op, ints, value, inputs, attrs }));
    return backend.wrap(made, kernelName);
  };
  registerKernel({ kernelName, backendName, kernelFunc });
};

const batch = 64;
const answer = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);
const peak = () => Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) / 1024;

await createTensorFlowEngine({
  files: libraryIn(library),
  compile: 'eager',
  intraThreads: threads,
  interThreads: threads,
});
const reduction =
  (name) =>
  ({ op, ints, value, attrs }) =>
    op(name, [value('x'), ints([attrs.axis].flat())], { keep_dims: attrs.keepDims === true });
addKernel('Mean', reduction('Mean'));
addKernel('Prod', reduction('Prod'));
addKernel('FloorDiv', ({ op, value }) => op('FloorDiv', [value('a'), value('b')]));
addKernel('SquaredDifference', ({ op, value }) => op('SquaredDifference', [value('a'), value('b')]));
addKernel('AddN', ({ op, value, inputs }) => op('AddN', [Object.keys(inputs).map(value)]));
addKernel('ExpandDims', ({ op, ints, value, inputs, attrs }) => {
  const shape = [...inputs.input.shape];
  shape.splice(attrs.dim < 0 ? shape.length + 1 + attrs.dim : attrs.dim, 0, 1);
  return op('Reshape', [value('input'), ints(shape)]);
});
addKernel('_FusedMatMul', ({ op, value, inputs, attrs }) => {
  const turned = { adj_x: attrs.transposeA === true, adj_y: attrs.transposeB === true };
  const product = op('BatchMatMulV2', [value('a'), value('b')], turned);
  const sum = inputs.bias === undefined ? product : op('BiasAdd', [product, value('bias')]);
  return attrs.activation === 'relu' ? op('Relu', [sum]) : sum;
});

const model = sequential({
  layers: [
    layers.conv2d({
      inputShape: [28, 28, 1],
      filters: 16,
      kernelSize: 5,
      padding: 'same',
      activation: 'relu',
    }),
    layers.maxPooling2d({ poolSize: 2 }),
    layers.conv2d({ filters: 32, kernelSize: 5, padding: 'same', activation: 'relu' }),
    layers.maxPooling2d({ poolSize: 2 }),
    layers.flatten(),
    layers.dense({ units: 128, activation: 'relu' }),
    layers.dense({ units: 10, activation: 'softmax' }),
  ],
});
model.compile({ optimizer: train.adam(1e-3), loss: 'sparseCategoricalCrossentropy' });

const run = async (steps) => {
  const [x, y] = tidy(() => [
    randomUniform([steps * batch, 28, 28, 1]),
    tensor1d(Float32Array.from({ length: steps * batch }, (_, row) => row % 10)),
  ]);
  const began = performance.now();
  const before = process.cpuUsage();
  await model.fit(x, y, { epochs: 1, batchSize: batch, verbose: 0, shuffle: false });
  const { user, system } = process.cpuUsage(before);
  const ms = performance.now() - began;
  x.dispose();
  y.dispose();
  return { ms, steps, cpu: (user + system) / 1000, peak: peak() };
};

await run(1);
answer({ first: true });
answer(await run(8));
for await (const line of createInterface({ input: process.stdin })) {
  const { steps, end } = JSON.parse(line);
  if (end === true) break;
  answer(await run(steps));
}
process.exit(0);
