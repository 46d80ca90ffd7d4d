/** What is compared with what. */

const torchConv = [
  'fused',
  'fused+channels_last',
  'fused+channels_last+one_thread',
  'fused+channels_last+compile',
];

/**
 * `ours` are ways to compile (see worker.ts; `+single` is one step a call), `peers` modes of the peers' workers by name. `targets` are
 * how many times faster than the best mode of these peers ours is to be.
 */
export const cases = [
  {
    name: 'mlp',
    title: 'Tabular network: 32 columns, two layers of 64, batches of 32',
    ours: ['auto', 'graph', 'graph+single', 'xla', 'xla+single'],
    peers: {
      torch: ['fused', 'fused+one_thread', 'fused+one_thread+compile'],
      keras: ['graph', 'graph*32', 'xla', 'xla*32'],
      lightning: ['default', 'one_thread'],
    },
    targets: [
      { peers: ['torch'], ratio: 8 },
      { peers: ['lightning'], ratio: 25 },
    ],
    warmUp: 1024,
  },
  {
    name: 'lenet',
    title: 'LeNet: batches of 64 images of 28×28',
    ours: ['auto', 'graph+single', 'xla+single'],
    peers: { torch: torchConv, keras: ['graph', 'xla'], tfjs: ['eager'] },
    targets: [
      { peers: ['torch', 'keras'], ratio: 1 },
      { peers: ['tfjs'], ratio: 3 },
    ],
    warmUp: 24,
  },
  {
    name: 'resnet',
    title: 'ResNet-20: batches of 32 images of 32×32×3',
    ours: ['auto', 'graph+single', 'xla+single'],
    peers: { torch: torchConv, keras: ['graph', 'xla'] },
    targets: [{ peers: ['torch', 'keras'], ratio: 1 }],
    warmUp: 12,
  },
  {
    name: 'gpt',
    title: 'Small GPT: 4 blocks, width 128, 128 tokens, batches of 8',
    ours: ['auto', 'graph+single', 'xla', 'xla+single'],
    peers: { torch: ['fused', 'fused+one_thread', 'fused+compile'], keras: ['graph', 'xla'] },
    targets: [{ peers: ['torch', 'keras'], ratio: 1 }],
    warmUp: 34,
  },
  {
    name: 'lstm',
    title: 'LSTM: 32 steps of 16 numbers, 64 units, batches of 32',
    ours: ['auto', 'graph+single', 'xla'],
    peers: { torch: ['fused', 'fused+one_thread'], keras: ['graph', 'xla'] },
    targets: [],
    warmUp: 128,
  },
  {
    name: 'gan',
    title: 'DCGAN: a step of both models, batches of 64 images of 28×28',
    ours: ['auto', 'graph+single', 'xla+single'],
    peers: { torch: torchConv, keras: ['graph', 'xla'] },
    targets: [{ peers: ['torch', 'keras'], ratio: 1 }],
    warmUp: 24,
  },
];
