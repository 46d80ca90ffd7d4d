/** Optimizers written in TypeScript: what they declare of themselves, beside what every optimizer takes. */
import type { ExternItem, Item, TypeExpr } from '../parser/ast.js';
import { wrongKind, wrongType } from '../parser/messages.gen.js';
import type { Attributes } from './attributes.js';
import type { Env, FileScope } from './env.js';
import { declaredOption, readDeclared } from './extern-options.js';
import { moduleOf } from './externs.js';
import type { IrExternItem, IrNamed, IrOptimizer } from './ir.js';
import type { Builtin } from './prelude.js';

/** What every optimizer has: a declaration does not name it. */
const loops: ReadonlySet<string> = new Set(['of', 'clip', 'freeze', 'match', 'except']);
/** What the loop hands to the rule, weight by weight: a declaration may give its default and its limits. */
const handed: ReadonlySet<string> = new Set(['lr', 'weight_decay']);

const isOwn = ({ name }: Item): boolean => !loops.has(name.text) && !handed.has(name.text);

const named = (type: TypeExpr): readonly string[] =>
  type.kind === 'unionType'
    ? type.members.flatMap(named)
    : type.kind === 'namedType' && type.shape === null
      ? [type.name.text]
      : [''];

/** As the prelude would declare it: with the attributes of every optimizer. */
export const asBuiltin = (env: Env, item: ExternItem): Builtin => {
  const every = env.checker.prelude.find('optimizer', 'sgd')?.params ?? [];
  const declares = (name: string): Item[] => item.params.filter((param) => param.name.text === name);
  const [lr] = declares('lr');
  const decay = declares('weight_decay');
  const params = every.flatMap((param): readonly Item[] => {
    if (param.name.text === 'lr') return [lr ?? param];
    if (param.name.text === 'weight_decay') return decay;
    return loops.has(param.name.text) ? [param] : [];
  });
  return {
    what: 'optimizer',
    name: item.name.text,
    doc: item.doc,
    item,
    params: [...params, ...item.params.filter(isOwn)],
    settings: new Map([['grouped', ['lr', ...(decay.length > 0 ? ['weight_decay'] : []), 'freeze']]]),
    config: null,
  };
};

export const optimizerItem = (env: Env, item: ExternItem): IrExternItem => {
  const { slots } = readDeclared(env, item, { slots: 'names' });
  for (const param of item.params) {
    const name = param.name.text;
    const types = named(param.type);
    if (loops.has(name)) {
      env.checker.report(
        wrongKind(
          param.name.span,
          { name, found: 'an attribute of every optimizer', expected: 'an option of its own' },
          { help: 'leave it out' },
        ),
      );
    } else if (handed.has(name)) {
      const allowed = name === 'lr' ? ['float', 'schedule'] : ['float'];
      if (types.includes('float') && types.every((each) => allowed.includes(each))) continue;
      env.checker.report(
        wrongType(
          param.type.span,
          { what: `the type of \`${name}\``, found: 'another', expected: `\`${allowed.join(' | ')}\`` },
          { help: `write \`${name}: ${allowed.join(' | ')}\`` },
        ),
      );
    }
  }
  return {
    span: item.span,
    doc: item.doc,
    what: 'optimizer',
    name: item.name.text,
    params: item.params.filter(isOwn).map((param) => declaredOption(env, param)),
    inputs: [],
    result: { kind: 'none' },
    many: false,
    slots: slots ?? [],
  };
};

/** The parts of an optimizer in TypeScript: what the loop takes, and what its rule is made with. All with the spec's defaults. */
export const externParts = (
  env: Env,
  item: ExternItem,
  file: FileScope,
  { given, all }: Attributes,
): Pick<IrOptimizer, 'extern' | 'options'> => {
  const passed = (name: string): readonly IrNamed[] => {
    const found = all.get(name);
    return found && found.type.kind !== 'none' ? [{ name, value: found.ir }] : [];
  };
  // Where the trainer clips, `clip = none` is no default.
  const unclipped = given.flatMap(({ name, value }): readonly IrNamed[] =>
    name === 'clip' && value.type.kind === 'none' ? [{ name, value: value.ir }] : [],
  );
  const { slots } = env.checker.capture(() => readDeclared(env, item, { slots: 'names' })).result;
  return {
    options: [
      ...['lr', 'weight_decay'].flatMap(passed),
      ...given.flatMap(({ name }) => (loops.has(name) && name !== 'of' ? passed(name) : [])),
      ...unclipped,
    ],
    extern: {
      module: moduleOf(file, item),
      slots: slots ?? [],
      options: item.params.filter(isOwn).flatMap(({ name }) => passed(name.text)),
    },
  };
};
