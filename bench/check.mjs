/**
 * Compile time of `ztrainc`: cold, as a process from start to end; against the size of a spec, checking and emission apart;
 * and of files of one kind of thing alone. Medians; run it on a quiet machine: `npm run bench:check`.
 */
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { check, emitTo, memoryHost } from '../dist/compiler.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const program = join(root, 'dist', 'ztrainc.mjs');

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

const cold = (args, rounds = 9) => {
  const times = [];
  for (let round = 0; round < rounds; round += 1) {
    const start = performance.now();
    const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: 'ignore' });
    times.push(performance.now() - start);
    if (status !== 0) throw new Error(`${args.join(' ')} ended with ${status}`);
  }
  return median(times);
};

/** Blocks of a few layers, models of a few blocks, each with an optimizer: what a large project would hold. */
const specOf = (lines) => {
  const blockLines = 8;
  const blocksPerModel = 4;
  const modelLines = blocksPerModel + 6;
  const count = Math.max(1, Math.round((lines - 20) / (blocksPerModel * blockLines + modelLines + 6)));
  const parts = ['param width: int = 32 where width > 0', 'param lr: float = 1e-3 where lr > 0'];
  parts.push(
    'data rows = digits { split = "train" batch = 32 map row -> { x: cast(row.image, f32), y: row.label } }',
  );
  for (let model = 0; model < count; model += 1) {
    for (let block = 0; block < blocksPerModel; block += 1) {
      parts.push(
        `/// Two layers and the way around them; number ${block} of model ${model}.`,
        `block Part${model}x${block}(size: int, rate: float) on x: f32[b, size] -> f32[b, size] {`,
        '  let normed = x |> layer_norm() as norm',
        `  let wide = normed |> dense(${2 + (block % 3)} * size) as up |> gelu()`,
        '  let back = wide |> dense(size) as down |> dropout(rate)',
        '  return x + back',
        '}',
        '',
      );
    }
    parts.push(
      `/// Model ${model}.`,
      `model Net${model} on x: f32[n, 8, 8, 1] -> f32[n, 10] {`,
      '  return x |> flatten() |> dense(width) as stem',
      ...Array.from(
        { length: blocksPerModel },
        (_, block) => `    |> Part${model}x${block}(width, rate = 0.1) as part${block}`,
      ),
      '    |> dense(10) as head',
      '}',
      `schedule fall${model} { cosine(from = lr, to = lr / 10, over = rest) }`,
      `optimizer opt${model} = adamw { of = Net${model} lr = fall${model} }`,
      '',
    );
  }
  parts.push('step train(batch in rows) {');
  for (let model = 0; model < count; model += 1) {
    parts.push(
      `  update opt${model} {`,
      `    minimize mean(softmax_cross_entropy(Net${model}(batch.x), batch.y))`,
      '  }',
    );
  }
  parts.push('}', 'trainer GrownTrainer { epochs = 2 }', '');
  return parts.join('\n');
};

const timed = async (body) => {
  const start = performance.now();
  const result = await body();
  return { result, time: performance.now() - start };
};

const ms = (time) => `${time.toFixed(0)} ms`.padStart(9);

console.log(`node ${process.version}`);
console.log(`bare node                            ${ms(cold(['-e', '0']))}`);
console.log(`ztrainc check specs/digits.ztrain    ${ms(cold([program, 'check', 'specs/digits.ztrain']))}`);
console.log(
  `ztrainc check specs/gpt.ztrain       ${ms(cold([program, 'check', 'specs/gpt.ztrain']))}  (at most 800 ms)`,
);
console.log('\nlines     check  emission       sum   check per line');
// What loads on demand is loaded before it is timed.
await emitTo(
  check('/warm.ztrain', memoryHost({ '/warm.ztrain': specOf(200) })),
  '/warm.ztrain',
  '/generated',
);
for (const lines of [200, 2_000, 20_000]) {
  const text = specOf(lines);
  const host = memoryHost({ '/grown.ztrain': text });
  const checks = [];
  const emissions = [];
  for (let round = 0; round < (lines > 2_000 ? 1 : 5); round += 1) {
    const checked = await timed(() => check('/grown.ztrain', host));
    const errors = checked.result.diagnostics.filter(({ severity }) => severity === 'error');
    if (errors.length > 0) throw new Error(`the grown spec does not check: ${errors[0]?.message}`);
    const emitted = await timed(() => emitTo(checked.result, '/grown.ztrain', '/generated'));
    checks.push(checked.time);
    emissions.push(emitted.time);
  }
  const [a, b] = [median(checks), median(emissions)];
  const limit = lines === 2_000 ? '  (at most 2 s)' : '';
  const count = text.split('\n').length - 1;
  console.log(
    `${String(count).padStart(5)} ${ms(a)} ${ms(b)} ${ms(a + b)}   ${((a / count) * 1000).toFixed(0)} µs${limit}`,
  );
}

const many = (count, line) => Array.from({ length: count }, (_, index) => line(index)).join('\n');
const layers = (count, line) =>
  `model Deep on x: f32[n, 8, 8, 1] -> f32[n, 10] {\n  let h0 = x |> flatten()\n${many(count, line)}\n  return h${count} |> dense(10)\n}`;
const inGrown = (declarations, statements = '') => `
data rows = digits { split = "train" batch = 32 map row -> { x: cast(row.image, f32), y: row.label } }
model Net on x: f32[n, 8, 8, 1] -> f32[n, 10] { return x |> flatten() |> dense(10) as head }
optimizer opt = sgd { of = Net lr = 0.1 }
${declarations}
step train(batch in rows) {
  ${statements}
  update opt { minimize mean(softmax_cross_entropy(Net(batch.x), batch.y)) }
}
trainer GrownTrainer { epochs = 2 }
`;

const block = '(size: int) on x: f32[b, size] -> f32[b, size] { return x |> dense(size) as up }';
const model = 'on x: f32[b, 4] -> f32[b, 4] { return x |> dense(4) as up }';

/** Files of one kind of thing: [what, how many at first, the file of so many]. */
const kinds = [
  ['params', 4_000, (n) => inGrown(many(n, (i) => `param p${i}: int = 1`))],
  ['params with where', 2_000, (n) => inGrown(many(n, (i) => `param p${i}: int = 8 where p${i} % 4 == 0`))],
  [
    'params in a chain',
    1_000,
    (n) => inGrown(many(n, (i) => `param p${i}: int = 1 where p${i} >= ${i === 0 ? 1 : `p${i - 1}`}`)),
  ],
  ['consts', 4_000, (n) => inGrown(many(n, (i) => `const c${i} = ${i === 0 ? 1 : `c${i - 1}`} + 1`))],
  ['asserts', 2_000, (n) => inGrown(`param a: int = 4\n${many(n, (i) => `assert a > ${-i} * a, "no"`)}`)],
  ['fns', 4_000, (n) => inGrown(many(n, (i) => `fn twice${i}(x: f32[n]) -> f32[n] = x * 2.0`))],
  ['blocks', 2_000, (n) => inGrown(many(n, (i) => `block Part${i}${block}`))],
  ['models', 2_000, (n) => inGrown(many(n, (i) => `model Net${i} ${model}`))],
  ['data sets', 2_000, (n) => inGrown(many(n, (i) => `data d${i} = digits { split = "train" batch = 32 }`))],
  [
    'optimizers',
    1_000,
    (n) => inGrown(many(n, (i) => `model Net${i} ${model}\noptimizer o${i} = sgd { of = Net${i} lr = 0.1 }`)),
  ],
  ['schedules', 2_000, (n) => inGrown(many(n, (i) => `schedule s${i} { cosine(to = 0.1, over = rest) }`))],
  ['layers', 2_000, (n) => inGrown(layers(n, (i) => `  let h${i + 1} = h${i} |> dense(64) as layer${i}`))],
  [
    'lets',
    4_000,
    (n) =>
      inGrown(
        '',
        many(n, (i) => `let v${i} = batch.x * 2.0`),
      ),
  ],
  [
    'metrics',
    4_000,
    (n) =>
      inGrown(
        '',
        many(n, (i) => `metric m${i} = mean(batch.x)`),
      ),
  ],
  [
    'ifs',
    2_000,
    (n) =>
      inGrown(
        'param a: int = 4',
        many(n, (i) => `if a > ${i} { metric m${i} = mean(batch.x) }`),
      ),
  ],
  ['list', 20_000, (n) => inGrown(`const c = [${many(n, (i) => `${i},`)} 0]`)],
  ['string', 1_000_000, (n) => inGrown(`const c = "${'a'.repeat(n)}"`)],
  ['comments', 50_000, (n) => inGrown(many(n, (i) => `// comment ${i}`))],
  ['docs', 50_000, (n) => inGrown(`${many(n, (i) => `/// comment ${i}`)}\nconst c = 1`)],
  ['unknown names', 2_000, (n) => inGrown(many(n, (i) => `const c${i} = nope${i}`))],
  ['broken declarations', 20_000, (n) => inGrown(many(n, (i) => `param p${i} int = 1`))],
];

console.log('\none kind                  N        N         2N         4N   4N : 2N (2 is linear)');
for (const [what, count, write] of kinds) {
  const times = [];
  for (const factor of [1, 2, 4]) {
    const host = memoryHost({ '/grown.ztrain': write(factor * count) });
    times.push((await timed(() => check('/grown.ztrain', host))).time);
  }
  const ratio = (times[2] / times[1]).toFixed(1);
  console.log(`${what.padEnd(20)} ${String(count).padStart(7)} ${times.map(ms).join('  ')}   ${ratio}`);
}
