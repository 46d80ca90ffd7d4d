// Writes src/values/options.gen.ts: the attributes of built-ins and which of them the command line may set, read off
// grammar/prelude.ztrain.
// Run: node scripts/generate-options.mjs [--check]
import { readFileSync } from 'node:fs';
import { writeGenerated } from './generated-file.mjs';

const prelude = readFileSync(new URL('../grammar/prelude.ztrain', import.meta.url), 'utf8').replaceAll(
  /^\s*\/\/.*$/gm,
  '',
);

const kinds = 'optimizer|data|trainer|addon';
const units = new Set(['steps', 'epochs', 'batches', 'samples', 'percent', 'time', 'bytes']);
const camel = (name) => name.replaceAll(/_([a-z0-9])/g, (_, letter) => letter.toUpperCase());

/** Splits at `separator` outside brackets and quotes. */
function split(text, separator) {
  const parts = [''];
  let depth = 0;
  let quoted = false;
  for (const letter of text) {
    if (letter === '"') quoted = !quoted;
    if (!quoted && '([{'.includes(letter)) depth += 1;
    if (!quoted && ')]}'.includes(letter)) depth -= 1;
    if (letter === separator && depth === 0 && !quoted) parts.push('');
    else parts[parts.length - 1] += letter;
  }
  return parts.map((part) => part.trim()).filter((part) => part !== '');
}

/** The text between the bracket at `start` and its partner. */
function inside(text, start) {
  let depth = 0;
  for (let i = start; i < text.length; i += 1) {
    if ('([{'.includes(text[i])) depth += 1;
    if (')]}'.includes(text[i])) depth -= 1;
    if (depth === 0) return text.slice(start + 1, i);
  }
  throw new Error(`the prelude has an open bracket at ${start}`);
}

function typeOf(text) {
  const alternatives = split(text, '|');
  const nullable = alternatives.includes('none');
  const others = alternatives.filter((one) => one !== 'none');
  const [first] = others;
  if (others.every((one) => one.startsWith('"'))) {
    return { nullable, type: { kind: 'choice', choices: others.map((one) => JSON.parse(one)) } };
  }
  if (others.every((one) => units.has(one))) return { nullable, type: { kind: 'quantity', units: others } };
  // A schedule is named in the spec; at the command line a rate is a number.
  if (others.length === 1 || others[1] === 'schedule') {
    if (['int', 'float', 'bool', 'string', 'path'].includes(first))
      return { nullable, type: { kind: first } };
  }
  if (others.every((one) => ['int', 'float', 'bool'].includes(one)))
    return { nullable, type: { kind: 'either', of: others.map((kind) => ({ kind })) } };
  return null;
}

/** Names and types of a record's fields, as `{ train: batches | percent }` or that or none; null for another type. */
function fieldsOf(type) {
  const [record, ...others] = split(type, '|');
  if (!record.startsWith('{') || others.some((one) => one !== 'none')) return null;
  return split(inside(record, 0), ',').map((field) => /^(\w+): (.+)$/s.exec(field).slice(1));
}

function limitsOf(name, where) {
  return (where ?? '').split(' and ').flatMap((condition) => {
    const match = /^(\w+) (>=|<=|>|<) (-?[\d.e-]+)$/.exec(condition.trim());
    return match !== null && match[1] === name ? [{ operator: match[2], value: Number(match[3]) }] : [];
  });
}

function listOf(config, key) {
  const match = new RegExp(`\\b${key} = \\[([^\\]]*)\\]`).exec(config);
  return new Set(match === null ? [] : split(match[1], ',').map((name) => JSON.parse(name)));
}

const table = [];
for (const match of prelude.matchAll(new RegExp(`^  (${kinds}) (\\w+)\\(`, 'gm'))) {
  const [whole, kind, owner] = match;
  const start = match.index + whole.length - 1;
  const items = inside(prelude, start);
  const after = prelude.slice(start + items.length + 2);
  const config = /^[^{\n]*\{/.test(after) ? inside(after, after.indexOf('{')) : '';
  const overridable = listOf(config, 'overridable');
  const later = listOf(config, 'later');
  const options = split(items, ',').flatMap((item) => {
    const parsed = /^(\w+): (.+?)(?: = (.+?))?(?: where (.+))?$/s.exec(item);
    if (parsed === null) return [];
    const [, name, type, , where] = parsed;
    const fields = fieldsOf(type);
    if (fields !== null) {
      // Each part of a record has a name of its own at the command line: `trainer.limit.train`.
      return fields.map(([field, fieldType]) => ({
        name: `${name}.${field}`,
        key: `${camel(name)}.${camel(field)}`,
        ...typeOf(fieldType),
        nullable: true,
        where: null,
        limits: [],
        overridable: overridable.has(name),
        later: later.has(name),
      }));
    }
    // What a command line has no words for can still be named there by mistake.
    const found = typeOf(type) ?? { nullable: false, type: null };
    if (found.type === null && overridable.has(name))
      throw new Error(`${owner}.${name} cannot be overridable`);
    return [
      {
        name,
        key: camel(name),
        ...found,
        where: where ?? null,
        limits: limitsOf(name, where),
        overridable: overridable.has(name),
        later: later.has(name),
      },
    ];
  });
  if (options.length > 0) table.push([`${kind}/${owner}`, options]);
}

const source = `// Generated by scripts/generate-options.mjs from grammar/prelude.ztrain. Do not edit.
import type { OptionDeclaration, OptionTable } from './options.js';

const entries: readonly (readonly [string, readonly OptionDeclaration[]])[] = ${JSON.stringify(table)};

/** Attributes of built-ins, by kind and name. */
export const optionTable: OptionTable = new Map(entries);
`;
await writeGenerated('generate-options.mjs', [
  { path: 'src/values/options.gen.ts', text: source, parser: 'typescript' },
]);
