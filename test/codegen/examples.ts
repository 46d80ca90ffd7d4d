/** Three programs as the checker would hand them on: a classifier, a GAN with an import, a GPT with folds and externs. */
import type { Ir, IrReduction, IrStepStmt } from '../../src/checker/ir.js';
import {
  apply,
  batchField,
  bind,
  block,
  classOf,
  constant,
  dataOf,
  dim,
  expr,
  f32,
  float,
  here,
  host,
  input,
  int,
  irOf,
  items,
  layer,
  lit,
  local,
  mean,
  model,
  moduleOf,
  named,
  op,
  option,
  own,
  param,
  paramOf,
  prelude,
  quantity,
  rowField,
  setting,
  slot,
  stepOf,
  string,
  tensor,
  trainerOf,
} from './ir-builders.js';

const update = (name: string, body: readonly IrStepStmt[]): IrStepStmt => ({
  kind: 'update',
  span: here(),
  optimizers: [{ span: here(), name }],
  body,
});
const minimize = (...terms: readonly IrReduction[]): IrStepStmt => ({
  kind: 'minimize',
  span: here(),
  terms,
});
const log = (name: string, value: IrReduction): IrStepStmt => ({ kind: 'log', span: here(), name, value });

/** A multi-layer perceptron on the shipped digits. */
export const digits = (): Ir => {
  const images = tensor('u8', 'n', '8', '8', '1');
  const labels = tensor('i32', 'n');
  const logits = f32('n', '10');
  const set = (name: string, split: string, shuffle: boolean) =>
    dataOf(name, {
      source: prelude('digits'),
      arguments: named({ split: lit(split) }),
      options: named({ batch: param('batch_size'), shuffle: lit(shuffle) }),
      row: [
        { name: 'image', type: tensor('u8', '8', '8', '1') },
        { name: 'label', type: tensor('i32') },
      ],
      maps: [
        {
          span: here(),
          row: 'row',
          body: [],
          fields: named({
            image: op('div', f32('n', '8', '8', '1'), [
              op('cast', f32('n', '8', '8', '1'), [rowField('image', images)], {
                options: { to: lit('f32') },
                free: true,
              }),
              lit(16),
            ]),
            label: rowField('label', labels),
          }),
        },
      ],
      batch: [
        { name: 'image', type: f32('n', '8', '8', '1') },
        { name: 'label', type: labels },
      ],
    });
  const cross = (from: string): IrReduction =>
    mean(
      op('softmax_cross_entropy', f32('n'), [local(from, logits), batchField('batch', 'label', labels)], {
        home: 'losses',
        options: { label_smoothing: lit(0.1) },
        free: true,
      }),
    );
  const hits = (): IrReduction =>
    mean(
      op('equal', tensor('bool', 'n'), [
        op('argmax', tensor('i32', 'n'), [local('logits', logits)], { free: true }),
        batchField('batch', 'label', labels),
      ]),
    );
  return irOf(
    [
      moduleOf('digits', {
        doc: 'Handwritten digits.',
        consts: [{ span: here(), doc: 'Digits from 0 to 9.', name: 'classes', type: int, value: lit(10) }],
        classes: [
          classOf('Classifier', {
            role: 'model',
            doc: 'Two layers.',
            options: [{ name: 'width', doc: null, origin: 'param', type: int, value: null }],
            inputs: [{ name: 'image', type: f32('n', '8', '8', '1') }],
            result: logits,
            dims: [{ name: 'n', input: 'image', axis: 0 }],
            slots: [
              slot('hidden', layer('dense', { inputs: lit(64), units: param('width') })),
              slot('drop', layer('dropout', { rate: lit(0.2) })),
              slot('head', layer('dense', { inputs: param('width'), units: constant('classes') })),
            ],
            body: [
              bind(
                'h',
                op('relu', f32('n', 'width'), [
                  apply(
                    own('hidden'),
                    f32('n', 'width'),
                    op('reshape', f32('n', '64'), [input('image', f32('n', '8', '8', '1'))], {
                      options: { shape: items(dim('n'), lit(64)) },
                      free: true,
                    }),
                  ),
                ]),
              ),
            ],
            value: apply(
              own('head'),
              logits,
              apply(own('drop'), f32('n', 'width'), local('h', f32('n', 'width'))),
            ),
            random: true,
          }),
        ],
      }),
    ],
    trainerOf('DigitsTrainer', {
      doc: 'Handwritten digits.',
      params: [
        paramOf('lr', float, lit(1e-3), {
          doc: 'Peak learning rate.',
          where: { test: host('>', param('lr', float), lit(0)), text: 'lr > 0' },
        }),
        paramOf('batch_size', int, lit(64)),
        paramOf('width', int, lit(128), { doc: 'Units of the hidden layer.' }),
        paramOf('mode', { kind: 'choice', values: ['fast', 'slow'] }, lit('fast')),
        paramOf('tag', string, null),
      ],
      asserts: [
        {
          span: here(),
          test: host('==', host('%', param('width'), lit(2)), lit(0)),
          text: 'width % 2 == 0',
          message: 'width must be even',
        },
      ],
      options: named({
        epochs: lit(10),
        seed: lit(42),
        clip: expr(setting, { kind: 'clip', how: 'norm', most: lit(1) }),
        log_every: quantity(20),
      }),
      data: [set('train_set', 'train', true), set('test_set', 'test', false)],
      models: [
        {
          span: here(),
          name: 'Classifier',
          class: 'Classifier',
          copy: null,
          options: named({ width: param('width') }),
        },
      ],
      schedules: [
        {
          span: here(),
          doc: 'Up, then down.',
          name: 'warm',
          phases: [
            { span: here(), kind: 'warmup', options: named({ to: param('lr', float), over: quantity(50) }) },
            {
              span: here(),
              kind: 'cosine',
              options: named({
                to: host('/', param('lr', float), lit(100)),
                over: expr(setting, { kind: 'rest' }),
              }),
            },
          ],
        },
      ],
      optimizers: [
        {
          span: here(),
          doc: null,
          name: 'opt',
          kind: 'adamw',
          of: [{ span: here(), model: 'Classifier' }],
          options: named({
            lr: expr(float, { kind: 'ref', ref: { kind: 'schedule', name: 'warm' } }),
            weight_decay: lit(0.05),
          }),
          owns: null,
          groups: [
            {
              span: here(),
              name: 'no_decay',
              match: [{ span: here(), pattern: '**.bias' }],
              except: [],
              options: named({ weight_decay: lit(0) }),
            },
          ],
        },
      ],
      steps: [
        stepOf('train', 'train_set', [
          update('opt', [
            bind(
              'logits',
              model('Classifier', logits, [batchField('batch', 'image', f32('n', '8', '8', '1'))]),
            ),
            minimize(cross('logits')),
            log('accuracy', hits()),
          ]),
        ]),
        stepOf(
          'validate',
          'test_set',
          [
            bind(
              'logits',
              model('Classifier', logits, [batchField('batch', 'image', f32('n', '8', '8', '1'))]),
            ),
            { kind: 'reduce', span: here(), name: 'loss', value: cross('logits') },
            log('loss', { span: here(), kind: 'named', name: 'loss' }),
            log('accuracy', hits()),
            log('perplexity', {
              span: here(),
              kind: 'derive',
              parts: [{ name: 'loss', of: { span: here(), kind: 'named', name: 'loss' } }],
              value: expr(float, {
                kind: 'hostCall',
                fn: 'exp',
                args: [expr(float, { kind: 'ref', ref: { kind: 'part', name: 'loss' } })],
              }),
            }),
            log('f1', {
              span: here(),
              kind: 'metric',
              metric: 'f1',
              args: [local('logits', logits), batchField('batch', 'label', labels)],
              options: named({ average: lit('macro') }),
            }),
          ],
          { every: quantity(1, 'epochs') },
        ),
        stepOf('predict', 'test_set', [
          {
            kind: 'return',
            span: here(),
            fields: named({
              guess: op(
                'argmax',
                tensor('i32', 'n'),
                [model('Classifier', logits, [batchField('batch', 'image', f32('n', '8', '8', '1'))])],
                { free: true },
              ),
            }),
          },
        ]),
      ],
      addons: [
        {
          span: here(),
          doc: null,
          name: 'checkpoint',
          label: 'checkpoint',
          module: null,
          phase: 'dependent',
          owns: ['checkpoint'],
          many: false,
          options: named({
            keep: lit(3),
            best: expr(setting, { kind: 'monitor', mode: 'max', metric: 'validate.accuracy' }),
          }),
        },
        {
          span: here(),
          doc: null,
          name: 'early_stopping',
          label: 'early_stopping',
          module: null,
          phase: 'trigger',
          owns: ['stop'],
          many: false,
          options: named({
            monitor: expr(setting, { kind: 'monitor', mode: 'min', metric: 'validate.loss' }),
            patience: lit(3),
          }),
        },
      ],
    }),
  );
};

const image = f32('n', '28', '28', '1');

/** Two optimizers, blocks in a file of their own, draws with names, a step now and then. */
export const gan = (): Ir => {
  const wide = f32('n', 'h', 'w', 'c');
  const scores = f32('n');
  const noise = (draw: string) =>
    op('normal', f32('n', 'latent'), [], {
      options: { shape: items(expr(int, { kind: 'batchSize', batch: 'batch' }), param('latent')) },
      draw,
      free: true,
    });
  const against = (value: ReturnType<typeof lit>, target: ReturnType<typeof lit>): IrReduction =>
    mean(op('sigmoid_cross_entropy', scores, [value, target], { home: 'losses' }));
  const up = classOf('Up', {
    doc: 'Twice as high and wide.',
    options: [
      { name: 'filters', doc: null, origin: 'declared', type: int, value: null },
      { name: 'c', doc: null, origin: 'size', type: int, value: null },
    ],
    inputs: [{ name: 'x', type: wide }],
    result: f32('n', '2 * h', '2 * w', 'filters'),
    slots: [
      slot(
        'conv',
        layer('conv2d_transpose', {
          inputs: option('c'),
          filters: option('filters'),
          kernel: lit(4),
          stride: lit(2),
          padding: lit('same'),
        }),
      ),
      slot('norm', layer('batch_norm', { inputs: option('filters') })),
    ],
    value: op('relu', f32('n', '2 * h', '2 * w', 'filters'), [
      apply(
        own('norm'),
        f32('n', '2 * h', '2 * w', 'filters'),
        apply(own('conv'), f32('n', '2 * h', '2 * w', 'filters'), input('x', wide)),
      ),
    ]),
  });
  const generator = classOf('Generator', {
    role: 'model',
    options: [{ name: 'latent', doc: null, origin: 'param', type: int, value: null }],
    inputs: [{ name: 'z', type: f32('n', 'latent') }],
    result: image,
    dims: [{ name: 'n', input: 'z', axis: 0 }],
    slots: [
      slot('project', layer('dense', { inputs: param('latent'), units: host('*', lit(49), lit(128)) })),
      slot('up1', block('Up', { filters: lit(64), c: lit(128) })),
      slot('up2', block('Up', { filters: lit(32), c: lit(64) })),
      slot(
        'to_image',
        layer('conv2d', { inputs: lit(32), filters: lit(1), kernel: lit(3), padding: lit('same') }),
      ),
    ],
    body: [
      bind(
        'h',
        op(
          'reshape',
          f32('n', '7', '7', '128'),
          [apply(own('project'), f32('n', '6272'), input('z', f32('n', 'latent')))],
          {
            options: { shape: items(dim('n'), lit(7), lit(7), lit(128)) },
            free: true,
          },
        ),
      ),
    ],
    value: op('tanh', image, [
      apply(
        own('to_image'),
        image,
        apply(
          own('up2'),
          f32('n', '28', '28', '32'),
          apply(own('up1'), f32('n', '14', '14', '64'), local('h', f32('n', '7', '7', '128'))),
        ),
      ),
    ]),
  });
  const discriminator = classOf('Discriminator', {
    role: 'model',
    inputs: [{ name: 'image', type: image }],
    result: scores,
    slots: [
      slot(
        'down',
        layer('conv2d', {
          inputs: lit(1),
          filters: lit(64),
          kernel: lit(4),
          stride: lit(2),
          padding: lit('same'),
        }),
      ),
      slot('drop', layer('dropout', { rate: lit(0.3) })),
      slot('head', layer('dense', { inputs: lit(12544), units: lit(1) })),
    ],
    value: op(
      'squeeze',
      scores,
      [
        apply(
          own('head'),
          f32('n', '1'),
          op(
            'flatten',
            f32('n', '12544'),
            [
              apply(
                own('drop'),
                f32('n', '14', '14', '64'),
                op(
                  'leaky_relu',
                  f32('n', '14', '14', '64'),
                  [apply(own('down'), f32('n', '14', '14', '64'), input('image', image))],
                  {
                    options: { slope: lit(0.2) },
                  },
                ),
              ),
            ],
            { free: true },
          ),
        ),
      ],
      { options: { axis: lit(-1) }, free: true },
    ),
    random: true,
  });
  return irOf(
    [
      moduleOf('blocks', { classes: [up], doc: 'Blocks of convolutional networks.' }),
      moduleOf('gan', {
        imports: [{ module: './blocks.ztrain', names: ['Up'] }],
        classes: [generator, discriminator],
      }),
    ],
    trainerOf('GanTrainer', {
      params: [
        paramOf('latent', int, lit(64), {
          where: { test: host('>', param('latent'), lit(0)), text: 'latent > 0' },
        }),
        paramOf('critics', int, lit(1)),
      ],
      options: named({ epochs: lit(50), seed: lit(7) }),
      data: [
        dataOf('reals', {
          source: prelude('fashion_mnist'),
          arguments: named({ split: lit('train') }),
          options: named({ batch: lit(128), shuffle: lit(true) }),
          row: [
            { name: 'image', type: tensor('u8', '28', '28', '1') },
            { name: 'label', type: tensor('i32') },
          ],
          maps: [
            {
              span: here(),
              row: 'row',
              body: [
                bind(
                  'whole',
                  op('cast', image, [rowField('image', tensor('u8', 'n', '28', '28', '1'))], {
                    options: { to: lit('f32') },
                    free: true,
                  }),
                ),
              ],
              fields: named({
                image: op('sub', image, [op('div', image, [local('whole', image), lit(127.5)]), lit(1)]),
              }),
            },
          ],
          batch: [{ name: 'image', type: image }],
        }),
      ],
      models: [
        {
          span: here(),
          name: 'Generator',
          class: 'Generator',
          copy: null,
          options: named({ latent: param('latent') }),
        },
        { span: here(), name: 'Discriminator', class: 'Discriminator', copy: null, options: [] },
      ],
      optimizers: ['Discriminator', 'Generator'].map((of, index) => ({
        span: here(),
        doc: null,
        name: index === 0 ? 'opt_d' : 'opt_g',
        kind: 'adam',
        of: [{ span: here(), model: of }],
        options: named({ lr: lit(2e-4), betas: items(lit(0.5), lit(0.999)) }),
        owns: null,
        groups: [],
      })),
      steps: [
        stepOf('train', 'reals', [
          update('opt_d', [
            bind(
              'fake',
              op('stop_gradient', image, [model('Generator', image, [noise('train.opt_d.fake')])]),
            ),
            bind('on_real', model('Discriminator', scores, [batchField('batch', 'image', image)])),
            bind('on_fake', model('Discriminator', scores, [local('fake', image)], 'on_fake')),
            minimize(against(local('on_real', scores), lit(0.9)), {
              span: here(),
              kind: 'times',
              by: lit(0.5),
              of: against(local('on_fake', scores), lit(0)),
            }),
            log('d_accuracy', {
              span: here(),
              kind: 'derive',
              parts: [
                {
                  name: 'a',
                  of: mean(op('greater', tensor('bool', 'n'), [local('on_real', scores), lit(0)])),
                },
                { name: 'b', of: mean(op('less', tensor('bool', 'n'), [local('on_fake', scores), lit(0)])) },
              ],
              value: host(
                '/',
                host(
                  '+',
                  expr(float, { kind: 'ref', ref: { kind: 'part', name: 'a' } }),
                  expr(float, { kind: 'ref', ref: { kind: 'part', name: 'b' } }),
                ),
                lit(2),
              ),
            }),
          ]),
          {
            kind: 'every',
            span: here(),
            label: 'train.every1',
            interval: expr(
              { kind: 'unit', unit: 'steps' },
              { kind: 'quantity', unit: 'steps', value: param('critics') },
            ),
            body: [
              update('opt_g', [
                minimize(
                  against(
                    model('Discriminator', scores, [
                      model('Generator', image, [noise('train.opt_g.normal')]),
                    ]),
                    lit(1),
                  ),
                ),
              ]),
            ],
          },
          {
            kind: 'if',
            span: here(),
            label: 'train.if1',
            test: host('>=', expr(int, { kind: 'ref', ref: { kind: 'run', name: 'step' } }), lit(200)),
            then: [
              log('late', {
                span: here(),
                kind: 'each',
                value: op('mean', f32(), [batchField('batch', 'image', image)], { free: true }),
              }),
            ],
            else: [],
          },
        ]),
      ],
      addons: [
        {
          span: here(),
          doc: null,
          name: 'image_grid',
          label: 'image_grid',
          module: null,
          phase: 'independent',
          owns: [],
          many: true,
          options: named({
            of: expr(image, {
              kind: 'thunk',
              body: [],
              value: model('Generator', image, [
                op('normal', f32('64', 'latent'), [], {
                  options: { shape: items(lit(64), param('latent')), seed: lit(0) },
                  draw: 'image_grid.normal',
                  free: true,
                }),
              ]),
            }),
            every: quantity(1, 'epochs'),
          }),
        },
      ],
    }),
  );
};

/** A repeated block, a slot only present under a condition, slices, a weight used as a tensor, an extern source. */
export const gpt = (): Ir => {
  const hidden = f32('b', 't', 'dim');
  const wide = f32('b', 't', 'width');
  const tokens = tensor('i32', 'b', 't');
  const attention = classOf('Attention', {
    options: [
      { name: 'heads', doc: 'Heads of attention.', origin: 'declared', type: int, value: null },
      { name: 'dim', doc: null, origin: 'declared', type: int, value: null },
      { name: 'bias', doc: null, origin: 'declared', type: { kind: 'bool' }, value: lit(false) },
    ],
    inputs: [{ name: 'x', type: hidden }],
    result: hidden,
    slots: [
      slot(
        'qkv',
        layer('dense', {
          inputs: option('dim'),
          units: host('*', lit(3), option('dim')),
          bias: option('bias'),
        }),
      ),
      slot('out', layer('dense', { inputs: option('dim'), units: option('dim') }), option('bias')),
    ],
    body: [
      bind('qkv', apply(own('qkv'), f32('b', 't', '3 * dim'), input('x', hidden))),
      bind(
        'q',
        op(
          'split_heads',
          f32('b', 'heads', 't', 'dim / heads'),
          [
            expr(hidden, {
              kind: 'slice',
              of: local('qkv', f32('b', 't', '3 * dim')),
              slices: [{ kind: 'ellipsis' }, { kind: 'range', from: null, to: option('dim') }],
            }),
          ],
          { options: { heads: option('heads') } },
        ),
      ),
    ],
    value: expr(hidden, {
      kind: 'choose',
      test: option('bias'),
      then: apply(
        own('out', { conditional: true }),
        hidden,
        op('merge_heads', hidden, [local('q', f32('b', 'heads', 't', 'dim / heads'))]),
      ),
      else: op('merge_heads', hidden, [local('q', f32('b', 'heads', 't', 'dim / heads'))]),
    }),
  });
  const loss = (): IrReduction => {
    const windows = tensor('i32', 'n', '65');
    const part = (from: number | null, to: number | null) =>
      expr(tensor('i32', 'n', '64'), {
        kind: 'slice',
        of: batchField('batch', 'tokens', windows),
        slices: [
          { kind: 'range', from: null, to: null },
          { kind: 'range', from: from === null ? null : lit(from), to: to === null ? null : lit(to) },
        ],
      });
    return mean(
      op(
        'softmax_cross_entropy',
        f32('n', '64'),
        [model('GPT', f32('n', '64', 'vocab'), [part(null, -1)]), part(1, null)],
        {
          home: 'losses',
          free: true,
        },
      ),
    );
  };
  const gptModel = classOf('GPT', {
    role: 'model',
    options: [
      { name: 'depth', doc: null, origin: 'param', type: int, value: null },
      { name: 'width', doc: null, origin: 'param', type: int, value: null },
      { name: 'context', doc: null, origin: 'param', type: int, value: null },
    ],
    inputs: [{ name: 'tokens', type: tokens }],
    result: f32('b', 't', 'vocab'),
    dims: [
      { name: 'b', input: 'tokens', axis: 0 },
      { name: 't', input: 'tokens', axis: 1 },
    ],
    slots: [
      slot('embed', layer('embedding', { count: constant('vocab'), width: param('width') }, true)),
      slot('position', layer('embedding', { count: param('context'), width: param('width') }, true)),
      slot('blocks', {
        kind: 'repeat',
        count: param('depth'),
        index: null,
        item: block('Attention', { heads: lit(4), dim: param('width') }),
      }),
      slot('tail', {
        kind: 'repeat',
        count: lit(2),
        index: 'i',
        item: {
          kind: 'group',
          slots: [
            slot('norm', layer('layer_norm', { inputs: param('width') })),
            slot('mix', layer('dense', { inputs: param('width'), units: param('width') })),
          ],
        },
      }),
      slot('norm_out', layer('layer_norm', { inputs: param('width') })),
    ],
    body: [
      bind(
        'start',
        op(
          'add',
          wide,
          [
            apply(own('embed', { free: true }), wide, input('tokens', tokens)),
            apply(
              own('position', { free: true }),
              f32('t', 'width'),
              op('range', tensor('i32', 't'), [], { options: { count: dim('t') } }),
            ),
          ],
          { free: true },
        ),
      ),
      {
        kind: 'fold',
        span: here(),
        name: 'h',
        from: local('start', wide),
        slot: { kind: 'own', slot: 'blocks', conditional: false, free: false },
        count: null,
        index: null,
        start: 0,
        item: 'block',
        body: [],
        value: apply(
          { kind: 'item', item: 'block', slot: null, conditional: false, free: false },
          wide,
          local('h', wide),
        ),
      },
      {
        kind: 'fold',
        span: here(),
        name: 'k',
        from: local('h', wide),
        slot: { kind: 'own', slot: 'tail', conditional: false, free: false },
        count: null,
        index: 'i',
        start: 1,
        item: 'part',
        body: [
          bind(
            'normed',
            apply(
              { kind: 'item', item: 'part', slot: 'norm', conditional: false, free: false },
              wide,
              local('k', wide),
            ),
          ),
        ],
        value: op('mul', wide, [
          apply(
            { kind: 'item', item: 'part', slot: 'mix', conditional: false, free: false },
            wide,
            local('normed', wide),
          ),
          expr(int, { kind: 'ref', ref: { kind: 'index', name: 'i' } }),
        ]),
      },
    ],
    value: op(
      'matmul',
      f32('b', 't', 'vocab'),
      [
        apply(own('norm_out'), wide, local('k', wide)),
        op(
          'transpose',
          f32('width', 'vocab'),
          [
            expr(f32('vocab', 'width'), {
              kind: 'ref',
              ref: { kind: 'weight', slot: own('embed'), weight: 'weight' },
            }),
          ],
          { free: true },
        ),
      ],
      { free: true },
    ),
  });
  const windows = (name: string, file: string) =>
    dataOf(name, {
      source: { kind: 'extern', name: 'token_windows', module: './corpus.ts' },
      arguments: named({ file: lit(file), length: host('+', param('context'), lit(1)) }),
      options: named({ batch: lit(16) }),
      row: [{ name: 'tokens', type: tensor('i32', 'context + 1') }],
      declared: false,
      batch: [{ name: 'tokens', type: tensor('i32', 'n', 'context + 1') }],
    });
  return irOf(
    [
      moduleOf('gpt', {
        externs: [
          {
            span: here(),
            module: './corpus.ts',
            items: [
              {
                span: here(),
                doc: null,
                what: 'data',
                many: false,
                name: 'token_windows',
                params: [
                  { name: 'file', doc: null, origin: 'declared', type: string, value: null },
                  { name: 'length', doc: null, origin: 'declared', type: int, value: null },
                ],
                inputs: [],
                result: { kind: 'record', fields: [{ name: 'tokens', type: tensor('i32', 'length') }] },
              },
            ],
          },
        ],
        consts: [{ span: here(), doc: null, name: 'vocab', type: int, value: lit(256) }],
        classes: [attention, gptModel],
      }),
    ],
    trainerOf('GptTrainer', {
      params: [
        paramOf('depth', int, lit(2)),
        paramOf('width', int, lit(64)),
        paramOf('context', int, lit(64)),
      ],
      options: named({ steps: lit(200), accumulate: lit(4) }),
      data: [windows('train_set', 'data/train.txt'), windows('val_set', 'data/val.txt')],
      models: [
        {
          span: here(),
          name: 'GPT',
          class: 'GPT',
          copy: null,
          options: named({ depth: param('depth'), width: param('width'), context: param('context') }),
        },
      ],
      schedules: [
        {
          span: here(),
          doc: null,
          name: 'warm_up',
          phases: [
            { span: here(), kind: 'warmup', options: named({ to: lit(6e-4), over: quantity(20) }) },
            {
              span: here(),
              kind: 'cosine',
              options: named({ to: lit(6e-5), over: expr(setting, { kind: 'rest' }) }),
            },
          ],
        },
      ],
      optimizers: [
        {
          span: here(),
          doc: null,
          name: 'opt',
          kind: 'adamw',
          of: [{ span: here(), model: 'GPT' }],
          options: named({
            lr: host('*', expr(float, { kind: 'ref', ref: { kind: 'schedule', name: 'warm_up' } }), lit(0.5)),
          }),
          owns: null,
          groups: [],
        },
      ],
      steps: [
        stepOf('train', 'train_set', [update('opt', [minimize(loss())])]),
        stepOf('validate', 'val_set', [log('loss', loss())], { every: quantity(50) }),
      ],
    }),
  );
};
