/**
 * Compile time of `ztrainc`: cold, as a process from start to end, and against the size of a spec, checking and emission
 * apart. Medians; run it on a quiet machine: `npm run bench:check`.
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
