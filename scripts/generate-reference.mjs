// Writes docs/reference.md: every built-in name with its options, read off grammar/prelude.ztrain by the compiler's own
// parser. `--check` exits 1 when the page is stale.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { writeGenerated } from './generated-file.mjs';

const root = new URL('..', import.meta.url);
const text = readFileSync(new URL('grammar/prelude.ztrain', root), 'utf8');

const made = await build({
  entryPoints: [fileURLToPath(new URL('src/checker/prelude.ts', root))],
  bundle: true,
  format: 'esm',
  platform: 'node',
  write: false,
});
const { readPrelude } = await import(
  `data:text/javascript;base64,${Buffer.from(made.outputFiles[0]?.text ?? '').toString('base64')}`
);
const prelude = readPrelude(text);

const cut = (span) => text.slice(span.start, span.end).replaceAll(/\s+/g, ' ');
const code = (words) => `\`${words}\``;
/** `|` ends a cell, also inside of code. */
const cell = (words) => words.replaceAll('|', '\\|');
const docOf = (doc) => (doc ?? '').replaceAll(/\s*\n\s*/g, ' ').trim();

/** `// ---- losses: one value a row` before a declaration names its part of the page. */
const headings = [...text.matchAll(/^ *\/\/ -{4} (.*)$/gm)].map((match) => ({
  at: match.index,
  title: match[1] ?? '',
}));
const headingOf = (item) => headings.findLast(({ at }) => at < item.span.start)?.title ?? '';

const listOf = (builtin, name) => {
  const found = builtin.settings.get(name);
  return Array.isArray(found) ? found : [];
};

const isTensor = (param) => /^(f32|i32|u8|bool|t)\[|^tensors?$|^[fi]32$/.test(cut(param.type.span));

const signature = ({ name, item, params }) => {
  const head = params.length === 0 ? name : `${name}(${params.map((param) => param.name.text).join(', ')})`;
  // `on x: … -> …` of a layer holds its result too.
  if (item.signature) return `${head} ${cut(item.signature.span)}`;
  return `${head}${item.result ? ` -> ${cut(item.result.span)}` : ''}`;
};

const notes = (builtin) => [
  ...(builtin.settings.get('gradient') === 'none' ? ['No gradient passes.'] : []),
  ...(builtin.settings.get('random') === true ? ['Draws random numbers.'] : []),
];

const weightsOf = (builtin) =>
  (builtin.config?.entries ?? []).flatMap((entry) =>
    entry.kind === 'attribute' && (entry.name.text === 'weights' || entry.name.text === 'state')
      ? [`${entry.name.text === 'weights' ? 'Weights' : 'State'}: ${code(cut(entry.value.span))}.`]
      : [],
  );

const optionRows = (builtin, params) => {
  const overridable = listOf(builtin, 'overridable');
  const marks = overridable.length > 0;
  const rows = params.map((param) => {
    const type = cut(param.type.span);
    const fallback = param.value ? code(cut(param.value.span)) : 'needed';
    const where = param.where ? code(cut(param.where.span)) : '';
    const cells = [code(param.name.text), code(type), fallback, where];
    if (marks) cells.push(overridable.includes(param.name.text) ? 'yes' : '');
    return `| ${cells.map(cell).join(' | ')} |`;
  });
  if (rows.length === 0) return [];
  const head = ['option', 'type', 'default', 'limit', ...(marks ? ['command line'] : [])];
  return ['', `| ${head.join(' | ')} |`, `|${' --- |'.repeat(head.length)}`, ...rows];
};

const section = (builtin) => {
  const later = listOf(builtin, 'later');
  const params = builtin.params.filter((param) => !later.includes(param.name.text));
  const options = params.filter((param) => builtin.what !== 'fn' || !isTensor(param));
  const waiting = builtin.params.filter((param) => later.includes(param.name.text));
  const words = [docOf(builtin.doc), ...weightsOf(builtin), ...notes(builtin)].filter((each) => each !== '');
  return [
    `### ${builtin.name}`,
    '',
    ...(builtin.what === 'fn' || builtin.what === 'layer' || builtin.what === 'metric'
      ? ['```text', signature({ ...builtin, params }), '```', '']
      : []),
    words.join(' '),
    ...optionRows(builtin, options),
    ...(waiting.length === 0
      ? []
      : ['', `Not built yet: ${waiting.map((param) => code(param.name.text)).join(', ')}.`]),
    '',
  ];
};

/** Functions have short rows: most have no options. */
const functionRow = (builtin) => {
  const words = [docOf(builtin.doc), ...notes(builtin)].join(' ');
  const spelled = builtin.settings.get('spelled');
  const name = typeof spelled === 'string' ? spelled : builtin.name;
  const params = builtin.params
    .map((param) => {
      const type = cut(param.type.span);
      const fallback = param.value ? ` = ${cut(param.value.span)}` : '';
      const where = param.where ? ` where ${cut(param.where.span)}` : '';
      return `${param.name.text}: ${type}${fallback}${where}`;
    })
    .join(', ');
  const result = builtin.item.result ? ` -> ${cut(builtin.item.result.span)}` : '';
  return `| ${cell(code(`${name}(${params})${result}`))} | ${cell(words)} |`;
};

const isBuilt = (builtin) => !listOf(builtin, 'later').includes(builtin.name);
const named = (what) => prelude.all.filter((each) => each.what === what && each.name !== 'options');
const options = (what) => prelude.all.find((each) => each.what === what && each.name === 'options');

const functions = () => {
  const fns = named('fn').filter((each) => each.settings.get('spelled') === undefined);
  const titles = [...new Set(fns.map((each) => headingOf(each.item)))];
  return titles.flatMap((title) => [
    `### ${title.charAt(0).toUpperCase()}${title.slice(1)}`,
    '',
    '| function | gives |',
    '| --- | --- |',
    ...fns.filter((each) => headingOf(each.item) === title).map(functionRow),
    '',
  ]);
};

const part = (title, intro, builtins) => [`## ${title}`, '', intro, '', ...builtins.flatMap(section)];

const trainer = options('trainer');
const data = options('data');
const words = prelude.all.filter((each) => each.settings.get('spelled') !== undefined);
const wordsOf = (result) => words.filter((each) => result.includes(cut(each.item.result.span)));
const waiting = prelude.all.filter((each) => !isBuilt(each));

const page = [
  '<!-- Generated from grammar/prelude.ztrain by `node scripts/generate-reference.mjs`. Do not edit. -->',
  '',
  '# Reference of the built-ins',
  '',
  'Every name that the language brings along, from `grammar/prelude.ztrain`, which declares them in the language itself.',
  '[The language](../grammar/language.md) says how they are used, [conventions](conventions.md) has formulas and layouts.',
  '',
  'Types: `f32[...s, d]` is a tensor with any axes `s` and a last one `d`; `tensor` is a tensor whose shape a rule of the',
  'compiler finds; `none` means that the option may be left out.',
  '',
  ...part('Layers', 'Applied by `|>`, named by `as`.', named('layer')),
  '## Functions',
  '',
  'Called, `relu(x)`, or applied, `x |> relu()`.',
  '',
  ...functions(),
  '### Written in the language',
  '',
  '| function | gives |',
  '| --- | --- |',
  ...[...prelude.fns.values()].map((decl) => {
    const params = decl.params.map((param) => `${param.name.text}: ${cut(param.type.span)}`).join(', ');
    const words = docOf(decl.doc);
    return `| ${cell(code(`${decl.name.text}(${params}) -> ${cut(decl.result.span)}`))} | ${cell(words)} |`;
  }),
  '',
  ...part(
    'Metrics',
    'Kept as totals over all rows: `metric f1 = f1(logits, label, average = "macro")`.',
    named('metric'),
  ),
  ...part(
    'Models made from others',
    '`model Smooth = ema(Net, decay = 0.999)`. [The language](../grammar/language.md#models-made-from-others) has their rules.',
    named('model'),
  ),
  ...part(
    'Optimizers',
    '`optimizer opt = adamw { of = Net lr = 1e-3 }`. The options `lr`, `weight_decay` and `freeze` may differ by group. ' +
      'A column says what a command line may set: `opt.lr=1e-4`.',
    named('optimizer'),
  ),
  '### clip',
  '',
  '| value of `clip` | does |',
  '| --- | --- |',
  ...wordsOf(['clip']).map(functionRow),
  '',
  '### freeze',
  '',
  'A length of time from the start of the run, `rest` for all of it, or:',
  '',
  '| value of `freeze` | does |',
  '| --- | --- |',
  ...wordsOf(['freeze']).map(functionRow),
  '',
  ...part(
    'Schedule phases',
    '`schedule warm { warmup(to = lr, over = 100.steps) cosine(to = 0, over = rest) }`.',
    named('schedule'),
  ),
  ...part('Data sources', '[Data](data.md) has the rules of each source.', named('data')),
  ...(data === undefined ? [] : ['### Every data set', ...section(data).slice(1)]),
  '| value of `parts` or `part` | is |',
  '| --- | --- |',
  ...wordsOf(['parts', 'part']).map(functionRow),
  '',
  '## Trainer',
  '',
  ...(trainer === undefined ? [] : section(trainer).slice(2)),
  ...part('Add-ons', '`addon checkpoint { keep = 3 }`.', named('addon').filter(isBuilt)),
  '| value of `over` or `average` | is |',
  '| --- | --- |',
  ...wordsOf(['axes']).map(functionRow),
  '',
  '## Declared, not built yet',
  '',
  `A spec that uses one is refused (ZT4900): ${waiting.map((each) => code(each.name)).join(', ')}.`,
  '',
].join('\n');

await writeGenerated('generate-reference.mjs', [
  { path: 'docs/reference.md', text: page, parser: 'markdown' },
]);
