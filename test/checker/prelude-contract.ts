/**
 * The prelude as TypeScript that only compiles where the runtime has each built-in, in the namespace of its kind, with
 * exactly the options that are declared and built: a key that nothing reads is as wrong as one that nothing declares.
 */
import { hasOneType } from '../../src/checker/calls.js';
import { settingList, settingText, type Builtin, type Prelude } from '../../src/checker/prelude.js';
import { isTensorType } from '../../src/checker/patterns.js';
import { camel } from '../../src/codegen/names.js';
import type { Item } from '../../src/parser/ast.js';

const namespaces: Readonly<Record<string, string>> = {
  fn: 'ops',
  layer: 'nn',
  optimizer: 'optim',
  schedule: 'schedules',
  data: 'data',
  metric: 'metrics',
  addon: 'addons',
  model: 'copies',
};

const head = `import { addons, copies, data, losses, metrics, nn, ops, optim, schedules, transforms, type Tensor, type TrainerOptions } from 'ztrain/runtime';
type Callable = (...args: never[]) => unknown;
type Options<F extends Callable, At extends number> = NonNullable<Parameters<F>[At]>;
type Same<Name extends string, Runtime, Prelude> = [Runtime] extends [Prelude]
  ? [Prelude] extends [Runtime]
    ? true
    : { readonly of: Name; readonly notInRuntime: Exclude<Prelude, Runtime> }
  : { readonly of: Name; readonly notInPrelude: Exclude<Runtime, Prelude> };
`;

const union = (keys: readonly string[]): string =>
  keys.length === 0 ? 'never' : keys.map((key) => JSON.stringify(key)).join(' | ');

const check = (name: string, runtime: string, keys: readonly string[]): string =>
  `true satisfies Same<${JSON.stringify(name)}, ${runtime}, ${union(keys)}>;\n`;

const isOptional = (param: Item): boolean =>
  param.type.kind === 'unionType' &&
  param.type.members.some((member) => member.kind === 'namedType' && member.name.text === 'none');

/** Whether a param is a tensor argument, in its order, and no option. */
const isInput = (param: Item): boolean => isTensorType(param.type) && !isOptional(param);

const weightsIn = (builtin: Builtin): boolean =>
  (builtin.config?.entries ?? []).some(
    (entry) => entry.kind === 'attribute' && entry.name.text === 'weights',
  );

/** What the compiler adds to an options object of its own. */
const addedTo = (builtin: Builtin, common: readonly string[]): readonly string[] => {
  switch (builtin.what) {
    case 'fn':
      // The transposed product is how `a @ transpose(b)` is computed.
      if (builtin.name === 'matmul') return ['transposeB'];
      if (builtin.settings.get('random') !== true) return [];
      if (settingText(builtin, 'runs') === 'host') return ['draw'];
      return builtin.params.some((param) => param.name.text === 'seed') ? ['draw'] : ['draw', 'seed'];
    case 'layer':
      return weightsIn(builtin) && builtin.name !== 'embedding' ? ['inputs'] : [];
    case 'optimizer':
      return ['groups'];
    case 'model':
      return ['into'];
    case 'data': {
      // A source whose rows the spec declares is told what they are.
      const declared = builtin.item.result?.kind === 'namedType';
      return [...common, ...(declared ? ['record'] : [])];
    }
    case 'addon':
      // Several of one kind have names in the spec, which say where each writes.
      return builtin.settings.get('many') === true ? ['label'] : [];
    default:
      return [];
  }
};

const builtKeys = (builtin: Builtin): readonly string[] => {
  const later = settingList(builtin, 'later');
  return builtin.params
    .filter((param) => !later.includes(param.name.text) && !(builtin.what === 'fn' && isInput(param)))
    .map((param) => camel(param.name.text));
};

const saysItsType = (builtin: Builtin): boolean => {
  const rule = settingText(builtin, 'rule');
  return (
    builtin.what === 'fn' &&
    rule !== null &&
    !hasOneType(rule) &&
    settingText(builtin, 'home') !== 'transforms'
  );
};

/** Where the runtime has a built-in: the folder of its namespace, its export, and where its options come among the arguments. */
export interface Place {
  readonly home: string;
  readonly exported: string;
  readonly inputs: number;
  /** Options that the built-in itself takes, without what every data set has. */
  readonly keys: readonly string[];
}

/** Null of what has no export: options of a kind, words that are not built, and what other functions compute. */
export const placeOf = (builtin: Builtin): Place | null => {
  const { what, name } = builtin;
  if (name === 'options' || settingList(builtin, 'later').includes(name)) return null;
  // What is computed by other functions has no export of its own.
  if (settingText(builtin, 'lowered') !== null) return null;
  // Words of attributes have a spelling of their own; those of an optimizer's options need no home.
  const word = settingText(builtin, 'spelled') !== null;
  const home = settingText(builtin, 'home') ?? (word ? 'optim' : namespaces[what]);
  if (home === undefined) return null;
  const inputs = what === 'fn' || what === 'metric' ? builtin.params.filter(isInput).length : 0;
  const keys = what === 'metric' ? builtKeys(builtin).slice(inputs) : builtKeys(builtin);
  return { home, exported: camel(name), inputs, keys };
};

/** The text of the check. Words that are `later` altogether have no export. */
export const contractOf = (prelude: Prelude): string => {
  const common = prelude.find('data', 'options');
  const trainer = prelude.find('trainer', 'options');
  if (common === null || trainer === null)
    throw new Error('the prelude has options of data sets and of the trainer');
  const lines = prelude.all.flatMap((builtin): readonly string[] => {
    const place = placeOf(builtin);
    if (place === null) return [];
    const { home, inputs } = place;
    const { name } = builtin;
    const keys = [...place.keys, ...addedTo(builtin, builtKeys(common))];
    const exported = `${home}.${place.exported}`;
    // Where the rank of a result is the checker's alone to know, a call says it.
    const said = saysItsType(builtin) ? `${exported}<Tensor>;\n` : '';
    // A function without options takes its tensors alone.
    if (keys.length === 0) {
      return [
        said,
        `${exported} satisfies Callable;\n`,
        check(name, `Exclude<Parameters<typeof ${exported}>['length'], ${inputs}>`, []),
      ];
    }
    return [said, check(name, `keyof Options<typeof ${exported}, ${inputs}>`, keys)];
  });
  return head + lines.join('') + check('trainer', 'keyof TrainerOptions', builtKeys(trainer));
};
