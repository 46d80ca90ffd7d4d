/** Add-ons written in TypeScript: what they declare of themselves, and the types of their options. */
import type { AddonDecl, ExternItem, TypeExpr } from '../parser/ast.js';
import {
  duplicateKey,
  hidesBuiltin,
  unknownAttribute,
  wrongKind,
  wrongType,
} from '../parser/messages.gen.js';
import { nearest } from '../parser/nearest.js';
import { isPhase, phases, type Phase } from '../values/phases.js';
import { checkAttributes, ownerOf } from './attributes.js';
import type { Env, FileScope } from './env.js';
import { moduleOf } from './externs.js';
import type { IrAddon, IrType } from './ir.js';
import { noBindings, resolveType } from './patterns.js';
import { irType, units } from './types.js';

/** What an add-on declares behind its parameters. */
interface Declared {
  readonly phase: Phase;
  readonly owns: readonly string[];
  readonly many: boolean;
}

const keys = ['phase', 'owns', 'many'];

/** Reports what is wrong with it; a use of the add-on does so in a capture. */
export const declaredOf = (env: Env, item: ExternItem): Declared => {
  let declared: Declared = { phase: 'independent', owns: [], many: false };
  const seen = new Set<string>();
  for (const entry of item.config?.entries ?? []) {
    if (entry.kind !== 'attribute') {
      const name = entry.kind === 'map' ? 'map' : entry.name.text;
      env.checker.report(wrongKind(entry.span, { name, found: `a ${entry.kind}`, expected: 'an attribute' }));
      continue;
    }
    const { name, value } = entry;
    const key = name.text;
    const wrong = (expected: string, help: string): void =>
      env.checker.report(
        wrongType(
          value.span,
          { what: `\`${key}\` of \`${item.name.text}\``, found: 'something else', expected },
          { help },
        ),
      );
    if (seen.has(key)) env.checker.report(duplicateKey(name.span, { name: key }));
    seen.add(key);
    if (key === 'phase') {
      if (value.kind === 'string' && isPhase(value.value)) declared = { ...declared, phase: value.value };
      else wrong('a phase', `phases are ${phases.map((each) => `"${each}"`).join(', ')}`);
    } else if (key === 'owns') {
      const items = value.kind === 'list' ? value.items : null;
      const texts = items?.flatMap((each) => (each.kind === 'string' ? [each.value] : []));
      if (items && texts?.length === items.length) declared = { ...declared, owns: texts };
      else wrong('a list of strings', 'name what no other add-on may do: `owns = ["stop"]`, or `owns = []`');
    } else if (key === 'many') {
      if (value.kind === 'bool') declared = { ...declared, many: value.value };
      else wrong('`true` or `false`', 'write `many = true` where a spec may have several');
    } else {
      const near = nearest(key, keys, 1)[0];
      env.checker.report(
        unknownAttribute(
          name.span,
          { kind: 'attribute', name: key, owner: item.name.text },
          {
            help: near === undefined ? 'an add-on declares `phase`, `owns` and `many`' : `write \`${near}\``,
          },
        ),
      );
    }
  }
  return declared;
};

const plain: ReadonlySet<string> = new Set(['int', 'float', 'bool', 'string', 'path']);

const isNone = (type: TypeExpr): boolean => type.kind === 'namedType' && type.name.text === 'none';

const membersOf = (type: TypeExpr): readonly TypeExpr[] =>
  (type.kind === 'unionType' ? type.members : [type]).filter((member) => !isNone(member));

/** Whether `none` may stand for the option: it is then left out. */
export const isOptionalOption = (type: TypeExpr): boolean =>
  type.kind === 'unionType' && type.members.some(isNone);

/**
 * The type of an option, as TypeScript has it. Reports a type that no option has: of all but add-ons also `monitor`, `metric`
 * and `secret` (`plain`).
 */
export const optionType = (env: Env, written: TypeExpr, of: 'add-on' | 'plain' = 'add-on'): IrType => {
  const members = membersOf(written);
  const [only, ...others] = members;
  if (others.length > 0 && members.every((member) => member.kind === 'literalType'))
    return irType(
      resolveType(env, { ...written, ...(written.kind === 'unionType' ? { members } : {}) }, noBindings()),
    );
  if (only && others.length === 0) {
    if (only.kind === 'literalType') return { kind: 'choice', values: [only.value] };
    if (only.kind === 'namedType') {
      const name = only.name.text;
      const unit = units.get(name);
      const single: IrType | null =
        name === 'monitor' || name === 'metric' || name === 'secret'
          ? of === 'plain'
            ? null
            : { kind: name }
          : plain.has(name)
            ? name === 'path'
              ? { kind: 'string' }
              : irType(resolveType(env, { ...only, shape: null }, noBindings()))
            : unit && name === unit.unit
              ? { kind: 'unit', unit: unit.unit }
              : null;
      if (single) return only.shape === null ? single : { kind: 'list', of: single };
    }
  }
  env.checker.report(
    wrongType(
      written.span,
      {
        what: 'the type of an option',
        found: 'another',
        expected: of === 'plain' ? 'one that an option has' : 'one that an add-on takes',
      },
      {
        help: `options are int, float, bool, string, path, words ("a" | "b"), units (steps), ${of === 'plain' ? '' : 'monitor, metric, secret, '}lists of these (string[...]), or \`| none\``,
      },
    ),
  );
  return { kind: 'setting' };
};

/** Whether the prelude has an add-on of this name: the spec's own is taken then. */
export const reportHidden = (env: Env, item: ExternItem): void => {
  if (env.checker.prelude.find('addon', item.name.text))
    env.checker.report(hidesBuiltin(item.name.span, { name: item.name.text, kind: 'the add-on' }));
};

export const checkExternAddon = (env: Env, decl: AddonDecl, item: ExternItem, file: FileScope): IrAddon => {
  const name = decl.name.text;
  const attributes = checkAttributes(env, ownerOf(name, [], item.params), decl.config);
  const { phase, owns, many } = env.checker.capture(() => declaredOf(env, item)).result;
  return {
    span: decl.span,
    doc: decl.doc,
    name,
    label: decl.as?.text ?? name,
    module: moduleOf(file, item),
    phase,
    owns,
    many,
    // The spec's defaults are passed on, so that the TypeScript needs none.
    options: item.params.flatMap((param) => {
      const found = attributes.all.get(param.name.text);
      return found && found.type.kind !== 'none' ? [{ name: param.name.text, value: found.ir }] : [];
    }),
  };
};
