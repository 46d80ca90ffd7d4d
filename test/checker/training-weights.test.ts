/** Owners of weights, ways of gradients, and patterns of groups. */
import { describe, expect, test } from 'vitest';
import { matchesPattern } from '../../src/checker/training/groups.js';
import { matchesPath } from '../../src/runtime/optim/patterns.js';
import { check, codesOf, found, only, specOf } from './training-spec.js';

const loss = (logits: string): string => `mean(softmax_cross_entropy(${logits}, batch.label))`;
const train = (body: string): string => `step train(batch in train_set) { ${body} }`;

test('a run with nothing to say about has no diagnostics', () => {
  expect(found()).toEqual([]);
});

describe('owners', () => {
  const two = {
    model: `model Encoder on image: f32[n, 8, 8, 1] -> f32[n, 16] { return image |> flatten() |> dense(16) as out |> relu() }
model Net on x: f32[n, 16] -> f32[n, 10] { return x |> dense(10) as out }`,
    train: train(`update opt { minimize ${loss('Net(Encoder(batch.image))')} }`),
    validate: '',
  };

  test('a model that no optimizer owns is shown with its weights and a way out', () => {
    const shown = only(two);
    expect(shown).toMatchObject({
      code: 'ZT4101',
      at: 'Encoder(batch.image)',
      help: 'add it to the optimizer: `of = [Net, Encoder]`',
    });
    expect(shown.notes).toEqual(['2 weights (1,040 numbers) would keep their random start']);
  });
  test('a model without weights needs no owner', () => {
    const model = two.model.replace('dense(16) as out |> relu()', 'dropout(0.5)').replaceAll('16', '64');
    expect(codesOf({ ...two, model })).toEqual([]);
  });
  test('the sizes of weights that a param decides are left out of the note', () => {
    const shown = only({
      ...two,
      param: 'param wide: int = 16 where wide > 0',
      model: two.model.replaceAll('16', 'wide'),
    });
    expect(shown.notes).toEqual(['2 weights would keep their random start']);
  });
  test('two owners are both shown', () => {
    const shown = only({
      optimizer: 'optimizer opt = adam { of = Net }\noptimizer other = sgd { of = Net lr = 0.1 }',
      train: train(
        `update opt { minimize ${loss('Net(batch.image)')} } every 2.steps { update other { minimize ${loss('Net(batch.image)')} } }`,
      ),
    });
    expect(shown).toMatchObject({ code: 'ZT4102', at: 'Net', related: [['Net', 'owned by `opt` here']] });
  });
  test('one owner that names a model twice', () => {
    expect(only({ optimizer: 'optimizer opt = adam { of = [Net, Net] }' })).toMatchObject({
      code: 'ZT4102',
      help: 'leave one of them out',
    });
  });
});

describe('gradients', () => {
  const blocked = (body: string): ReturnType<typeof only> => only({ train: train(body) });

  test('stop_gradient is pointed at', () => {
    const shown = blocked(
      `update opt { let logits = stop_gradient(Net(batch.image)) minimize ${loss('logits')} }`,
    );
    expect(shown).toMatchObject({
      code: 'ZT4103',
      at: loss('logits'),
      related: [['stop_gradient(Net(batch.image))', '`stop_gradient` lets no gradient through']],
      help: 'leave `stop_gradient` out of the loss',
    });
  });
  test('so is what has no gradient by its type', () => {
    const shown = blocked(
      'update opt { let hit = argmax(Net(batch.image)) == batch.label minimize -mean(cast(hit, f32)) }',
    );
    expect(shown.code).toBe('ZT4103');
    expect(shown.related).toEqual([['argmax(Net(batch.image))', '`argmax` lets no gradient through']]);
  });
  test('a comparison gives bool', () => {
    const shown = blocked('update opt { minimize mean(cast(Net(batch.image) > 0, f32)) }');
    expect(shown.related.map(([, label]) => label)).toEqual([
      '`greater` gives bool, through which no gradient passes',
    ]);
  });
  test('a value made outside the update is shown where it was made', () => {
    const shown = blocked(`let logits = Net(batch.image) update opt { minimize ${loss('logits')} }`);
    expect(shown).toMatchObject({
      related: [['Net(batch.image)', 'made outside the `update`, so that no gradient passes']],
      help: 'move it into the `update`',
    });
  });
  test('a cut is no mistake where another way is left', () => {
    expect(
      codesOf({
        train: train(
          `let old = Net(batch.image) update opt { let logits = Net(batch.image) minimize ${loss('logits')} + 0.1 * mean(square(logits - old)) }`,
        ),
      }),
    ).toEqual([]);
    expect(
      codesOf({
        train: train(`update opt { let x = Net(batch.image) minimize ${loss('x - stop_gradient(x)')} }`),
      }),
    ).toEqual([]);
  });
  test('a cut inside a block or model is found there', () => {
    const shown = only({
      block: 'block Frozen on x: f32[n, d] -> f32[n, d] { let y = x |> dense(d) as inner return round(y) }',
      model:
        'model Net on image: f32[n, 8, 8, 1] -> f32[n, 64] { return image |> flatten() |> Frozen() as deep }',
      train: train('update opt { minimize mean(square(Net(batch.image))) }'),
      validate: '',
    });
    expect(shown).toMatchObject({
      code: 'ZT4103',
      related: [['round(y)', '`round` lets no gradient through']],
    });
  });
  test('weights behind a cut are reached by what comes after it', () => {
    expect(
      codesOf({
        model:
          'model Net on image: f32[n, 8, 8, 1] -> f32[n, 10] { return round(image) |> flatten() |> dense(10) as head }',
      }),
    ).toEqual([]);
  });
  test('folds are followed, with and without a constant count', () => {
    for (const count of ['3', 'depth']) {
      const model = `model Net on image: f32[n, 8, 8, 1] -> f32[n, 64] { return image |> flatten() |> repeat ${count} as deep { dense(64) |> relu() } }`;
      const own = {
        param: 'param depth: int = 3 where depth > 0',
        model,
        validate: '',
        train: train('update opt { minimize mean(square(Net(batch.image))) }'),
      };
      const unused = count === '3' ? { ...own, param: '' } : own;
      expect(codesOf(unused)).toEqual([]);
      expect(codesOf({ ...unused, model: model.replace('relu()', 'round()') })).toEqual(['ZT4103']);
    }
  });
  test('weights taken by name carry a gradient', () => {
    expect(
      codesOf({
        model:
          'model Net on x: i32[n] -> f32[n, 10] { layer table = embedding(10, 4) return matmul(table(x), transpose(table.weight)) }',
        train: train(`update opt { minimize ${loss('Net(batch.label)')} }`),
        validate: '',
      }),
    ).toEqual([]);
  });
  test('a model between passes the gradient on', () => {
    const gan = (fake: string, value: string): readonly string[] =>
      codesOf({
        model: `model G on z: f32[n, 4] -> f32[n, 8] { return z |> dense(8) as out }
model D on x: f32[n, 8] -> f32[n] { return x |> dense(1) as out |> squeeze(axis = -1) }`,
        optimizer: 'optimizer opt_g = adam { of = G }\noptimizer opt_d = adam { of = D }',
        train: train(
          `update opt_d { minimize mean(D(G(normal([batch.size, 4])))) } update opt_g { let fake = ${fake} minimize ${value} }`,
        ),
        validate: '',
      });
    expect(gan('G(normal([batch.size, 4]))', 'mean(D(fake))')).toEqual([]);
    expect(gan('stop_gradient(G(normal([batch.size, 4])))', 'mean(D(fake))')).toEqual(['ZT4103']);
  });
  test('each of several optimizers of one update must be reached', () => {
    const shown = only({
      model: `model Net on image: f32[n, 8, 8, 1] -> f32[n, 10] { return image |> flatten() |> dense(10) as head }
model Other on image: f32[n, 8, 8, 1] -> f32[n, 10] { return image |> flatten() |> dense(10) as head }`,
      optimizer: 'optimizer opt = adam { of = Net }\noptimizer more = adam { of = Other }',
      train: train(`update opt, more { minimize ${loss('Net(batch.image)')} }`),
    });
    expect(shown).toMatchObject({
      code: 'ZT4103',
      related: [['more', 'owns `Other`']],
      notes: ['the loss uses nothing that `Other` gives', 'it reaches the weights of `Net`'],
    });
  });
  test('each model of an optimizer must be reached by one of its losses', () => {
    const model = `model Net on image: f32[n, 8, 8, 1] -> f32[n, 10] { return image |> flatten() |> dense(10) as head }
model Extra on image: f32[n, 8, 8, 1] -> f32[n, 10] { return image |> flatten() |> dense(10) as head }`;
    const optimizer = 'optimizer opt = adam { of = [Net, Extra] }';
    const spec = (body: string) => ({ model, optimizer, train: train(body) });
    const shown = only(spec(`update opt { minimize ${loss('Net(batch.image)')} }`));
    expect(shown).toMatchObject({
      code: 'ZT4103',
      related: [['opt', 'owns `Net` and `Extra`']],
      notes: ['no loss of `opt` uses what `Extra` gives'],
      help: 'leave `Extra` out of `of`, or use it in the loss',
    });
    const both = `update opt { minimize ${loss('Net(batch.image)')} } update opt { minimize ${loss('Extra(batch.image)')} }`;
    expect(codesOf(spec(both))).toEqual([]);
  });
  test('an optimizer of the wrong model is one mistake, not two', () => {
    const shown = only({
      model: `model Net on image: f32[n, 8, 8, 1] -> f32[n, 10] { return image |> flatten() |> dense(10) as head }
model Other on image: f32[n, 8, 8, 1] -> f32[n, 10] { return image |> flatten() |> dense(10) as head }`,
      optimizer: 'optimizer opt = adam { of = Other }',
    });
    expect(shown).toMatchObject({ code: 'ZT4103', help: 'let `opt` own `Net`: `of = Net`' });
  });
  test('records keep their fields apart', () => {
    const fn = 'fn both(x: f32[n, 10]) -> { a: f32[n, 10], b: f32[n, 10] } = { a: x, b: stop_gradient(x) }';
    const body = (field: string): string =>
      train(`update opt { let r = both(Net(batch.image)) minimize ${loss(`r.${field}`)} }`);
    expect(codesOf({ block: fn, train: body('a') })).toEqual([]);
    expect(codesOf({ block: fn, train: body('b') })).toEqual(['ZT4103']);
  });
});

describe('patterns', () => {
  const group = (pattern: string): string =>
    `optimizer opt = adamw { of = Net group g { match = ["${pattern}"] weight_decay = 0 } }`;

  test.each(['**.bias', 'head.*', 'head.bias', '**', '*.weight', 'h*.b*'])('%s matches', (pattern) => {
    expect(codesOf({ optimizer: group(pattern) })).toEqual([]);
  });
  test.each([
    ['**.biass', '**.bias'],
    ['head', 'head.**'],
    ['Net.head.bias', 'head.bias'],
    ['haed.*', 'head.*'],
    ['bias', '**.bias'],
  ])('%s matches nothing; %s is near', (pattern, near) => {
    const shown = only({ optimizer: group(pattern) });
    expect(shown).toMatchObject({ code: 'ZT4110', at: `"${pattern}"`, help: `write \`"${near}"\`` });
    expect(shown.notes).toEqual([
      'its weights are `hidden.weight`, `hidden.bias`, `head.weight`, `head.bias`',
    ]);
    expect(check(shown.fixed ?? '').diagnostics).toEqual([]);
  });
  test('running statistics are no weights', () => {
    const model =
      'model Net on image: f32[n, 8, 8, 1] -> f32[n, 10] { return image |> flatten() |> batch_norm() as norm |> dense(10) as head }';
    expect(codesOf({ model, optimizer: group('norm.gamma') })).toEqual([]);
    expect(codesOf({ model, optimizer: group('norm.mean') })).toEqual(['ZT4110']);
  });
  test('numbers stand for the turns of a repeat', () => {
    const model =
      'model Net on image: f32[n, 8, 8, 1] -> f32[n, 10] { return image |> flatten() |> repeat depth as deep { dense(64) } |> dense(10) as head }';
    const own = { param: 'param depth: int = 3 where depth > 0', model };
    for (const pattern of ['deep.0.bias', 'deep.*.bias', 'deep.**', '**.bias'])
      expect(codesOf({ ...own, optimizer: group(pattern) })).toEqual([]);
    expect(codesOf({ ...own, optimizer: group('deep.bias') })).toEqual(['ZT4110']);
  });
  test('the rule is the one that the run follows', () => {
    const paths = ['head.bias', 'blocks.0.norm1.gamma', 'blocks.11.attn.qkv.weight', 'w'];
    const patterns = [
      '**',
      '*',
      '**.*',
      '*.*',
      '**.norm*.*',
      'blocks.1*.**',
      'head.**',
      '**.head.**',
      'h*d.b*s',
      '**.qkv.weight',
      '**.**',
      'blocks.*.*',
      'bl*ks.0.n*1.g*a*',
      'w.**',
    ];
    for (const pattern of patterns) {
      for (const path of paths)
        expect([pattern, path, matchesPattern(pattern, path)]).toEqual([
          pattern,
          path,
          matchesPath(pattern, path),
        ]);
    }
  });
});

test('messages hold no full stop and start in lower case or with a name', () => {
  const spec = specOf({
    optimizer: 'optimizer opt = adamw { of = Net group g { match = ["x"] weight_decay = 0 } }',
    trainer: 'trainer Digits {}',
  });
  for (const { message, help, notes = [] } of check(spec).diagnostics) {
    for (const text of [message, help ?? '', ...notes]) expect(text).not.toMatch(/\.$|^[A-Z]/);
  }
});
