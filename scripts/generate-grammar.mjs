/** Writes grammar/ztrain.ebnf and grammar/ztrain.tmLanguage.json from the parser's own rules and tokens; `--check` only compares. */
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { writeGenerated } from './generated-file.mjs';

const root = new URL('../', import.meta.url);

/** The parser's sources, bundled so that plain Node can run them. */
const load = async () => {
  const entry = `export { SpecParser } from './grammar.ts'; export * as tokens from './tokens.ts';`;
  const stdin = { contents: entry, resolveDir: fileURLToPath(new URL('src/parser', root)), loader: 'ts' };
  const options = { bundle: true, write: false, platform: 'node', format: 'esm', logLevel: 'error' };
  const { outputFiles } = await build({ stdin, ...options });
  return import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString('base64')}`);
};

// ---- EBNF

const title = (name) => name.charAt(0).toUpperCase() + name.slice(1);

const terminal = ({ name, label }) => {
  if (name === 'Identifier') return 'Name';
  if (name === 'Int' || name === 'Float') return 'Number';
  if (name === 'EOF') return '';
  return /^`.*`$/.test(label ?? '') ? `"${label.slice(1, -1)}"` : name;
};

const sequence = (definition) => definition.map(production).filter(Boolean).join(' ');

const production = (part) => {
  switch (part.type) {
    case 'Terminal':
      return terminal(part);
    case 'NonTerminal':
      return title(part.name);
    case 'Option':
      return `[ ${sequence(part.definition)} ]`;
    case 'Repetition':
      return `{ ${sequence(part.definition)} }`;
    case 'RepetitionMandatory':
      return `${sequence(part.definition)} { ${sequence(part.definition)} }`;
    case 'RepetitionWithSeparator':
      return `[ ${sequence(part.definition)} { ${terminal(part.separator)} ${sequence(part.definition)} } ]`;
    case 'RepetitionMandatoryWithSeparator':
      return `${sequence(part.definition)} { ${terminal(part.separator)} ${sequence(part.definition)} }`;
    case 'Alternation':
      return `( ${[...new Set(part.definition.map((each) => sequence(each.definition)))].join(' | ')} )`;
    default:
      throw new Error(`no rule to write a ${part.type}`);
  }
};

/** Outer parentheses of a rule that is one choice are left out. */
const bare = (text) => {
  if (!text.startsWith('( ')) return text;
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    if (text.startsWith('( ', at)) depth++;
    else if (text.startsWith(' )', at) && --depth === 0)
      return at === text.length - 2 ? text.slice(2, -2) : text;
  }
  return text;
};

const wrap = (text) => {
  const lines = [''];
  for (const word of text.split(' ')) {
    const line = lines.at(-1);
    if (line.length + word.length + 1 > 108) lines.push(`    ${word}`);
    else lines[lines.length - 1] = line === '' ? word : `${line} ${word}`;
  }
  return lines.join('\n');
};

const lexicalRules = (hard) => `
(* Name     a letter or \`_\`, then letters, digits and \`_\`; none of the hard words
            ${hard.join(' ')}
   Number   digits and \`_\`; a fraction and an exponent have digits: \`0..4\` is 0 .. 4, \`1.epoch\` is 1 . epoch
   String   "…" on one line; escapes \\n \\t \\" \\\\ \\u{1F600}
   Ignored  space, line breaks, \`;\` and // comments; /// documents what follows
   Nesting  brackets in one another: at most 200 *)
`;

const ebnf = ({ SpecParser, tokens }) => {
  const own = new SpecParser(true).getSerializedGastProductions();
  const first = own.findIndex(({ name }) => name === 'spec');
  const rules = [...own.slice(first), ...own.slice(0, first)];
  const lines = rules.map(({ name, definition }) => wrap(`${title(name)} = ${bare(sequence(definition))} ;`));
  const hard = tokens.hardWords.map((type) => type.name.toLowerCase());
  const header = '(* Generated from the parser by `node scripts/generate-grammar.mjs`. Do not edit. *)\n\n';
  return `${header}${lines.join('\n')}\n${lexicalRules(hard)}`;
};

// ---- TextMate

const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');
const names = '[A-Za-z_][A-Za-z0-9_]*';
const captures = (...scopes) =>
  Object.fromEntries(scopes.map((name, index) => [String(index + 1), { name: `${name}.ztrain` }]));

const declared = [
  ['fn', 'entity.name.function'],
  ['block', 'entity.name.type'],
  ['model', 'entity.name.type'],
  ['trainer', 'entity.name.type'],
  ['data', 'entity.name.type'],
  ['schedule', 'entity.name.type'],
  ['optimizer', 'entity.name.type'],
  ['addon', 'entity.name.type'],
  ['step', 'entity.name.function'],
  ['const', 'variable.other.constant'],
  ['param', 'variable.parameter'],
  ['layer', 'entity.name.function'],
  ['metric', 'variable.other'],
  ['let', 'variable.other'],
  ['group', 'entity.name.tag'],
];

const textMate = ({ tokens }) => {
  const word = (type) => type.name.replace(/Word$/, '').toLowerCase();
  const hard = tokens.hardWords.map(word);
  const soft = [...tokens.declarationWords, ...tokens.statementWords].map(word);
  const constants = ['true', 'false'];
  const logic = ['and', 'or', 'not', 'in'];
  const control = hard.filter((each) => ![...constants, ...logic].includes(each));
  const signs = tokens.allTokens
    .map((type) => /^`([^\w\s]+)`$/.exec(type.LABEL ?? '')?.[1])
    .filter((sign) => sign !== undefined && !'()[]{}.,:#'.includes(sign))
    .sort((a, b) => b.length - a.length || (a < b ? -1 : 1));
  const scope = (name, match) => ({ name: `${name}.ztrain`, match });
  const number = '[0-9][0-9_]*(?:\\.[0-9][0-9_]*(?:[eE][+-]?[0-9]+)?|[eE][+-]?[0-9]+)?';
  const patterns = [
    scope('comment.line.documentation', '///.*$'),
    scope('comment.line.double-slash', '//.*$'),
    {
      match: `(#)\\s*(allow)\\s+(${names})`,
      captures: captures('punctuation.definition.annotation', 'keyword.other', 'constant.other'),
    },
    {
      name: 'string.quoted.double.ztrain',
      begin: '"',
      end: '"|$',
      patterns: [
        scope('constant.character.escape', '\\\\(?:[nt"\\\\]|u\\{[0-9A-Fa-f]{1,6}\\})'),
        scope('invalid.illegal', '\\\\.'),
      ],
    },
    {
      match: `\\b(${number})(\\.)(${names})`,
      captures: captures('constant.numeric', 'punctuation.accessor', 'keyword.other.unit'),
    },
    scope('constant.numeric', `\\b${number}\\b`),
    ...declared.map(([keyword, name]) => ({
      match: `(?<![.\\w])(${keyword})\\s+(?!(?:${hard.join('|')})\\b)(${names})(?!\\s*\\.)`,
      captures: captures(keyword === 'let' ? 'storage.type' : 'keyword.declaration', name),
    })),
    { match: `\\b(as)\\s+(${names})`, captures: captures('keyword.control', 'entity.name.label') },
    scope('constant.language', `(?<!\\.)\\b(?:${constants.join('|')})\\b`),
    scope('keyword.operator.word', `(?<!\\.)\\b(?:${logic.join('|')})\\b`),
    scope('keyword.control', `(?<!\\.)\\b(?:${control.join('|')})\\b`),
    scope('keyword.other', `(?<!\\.)\\b(?:${soft.join('|')})\\b(?=\\s+[\\w"{(-])`),
    scope('support.type', '\\b(?:f32|i32|u8|bool|int|float|string|path)\\b(?!\\s*\\()'),
    { match: `\\b(${names})(?=\\s*\\()`, captures: captures('entity.name.function') },
    { match: `\\b(${names})\\s*(=)(?!=)`, captures: captures('variable.parameter', 'keyword.operator') },
    { match: `\\b(${names})\\s*(:)`, captures: captures('variable.parameter', 'punctuation.separator') },
    scope('keyword.operator', signs.map(escaped).join('|')),
    scope('punctuation.section', '[()\\[\\]{}]'),
    scope('punctuation.separator', '[.,:;]'),
  ];
  const comment = 'Generated from the parser by `node scripts/generate-grammar.mjs`. Do not edit.';
  return JSON.stringify({
    $comment: comment,
    name: 'ztrain',
    scopeName: 'source.ztrain',
    fileTypes: ['ztrain'],
    patterns,
  });
};

const loaded = await load();
await writeGenerated('generate-grammar.mjs', [
  { path: 'grammar/ztrain.ebnf', text: ebnf(loaded), parser: null },
  { path: 'grammar/ztrain.tmLanguage.json', text: textMate(loaded), parser: 'json' },
]);
