/** Inputs of layers that take several: the first by a pipe, the others by name; of a layer with a name, all in their order. */
import { missingArgument, tooManyArguments } from '../parser/messages.gen.js';
import type { Span } from '../parser/source.js';
import { isOptionalTensor } from './calls.js';
import type { Env } from './env.js';
import type { Builtin } from './prelude.js';
import { isUnknown, type Value } from './value.js';

const inputsDeclared = (builtin: Builtin) => builtin.item.signature?.inputs ?? [];

export const inputNames = (builtin: Builtin): readonly string[] =>
  inputsDeclared(builtin).map((input) => input.name.text);

/** The input of a pipe and those that are given by name, in order. Null where one is missing, which is reported. */
export const inputsOf = (
  env: Env,
  builtin: Builtin,
  extras: ReadonlyMap<string, Value>,
  input: Value,
  span: Span,
): readonly Value[] | null => {
  const inputs = [input];
  for (const { name, type } of inputsDeclared(builtin).slice(1)) {
    const found = extras.get(name.text);
    // What may be left out stands behind what may not.
    if (isOptionalTensor(type) && (!found || found.type.kind === 'none')) continue;
    if (!found) {
      env.checker.report(
        missingArgument(
          span,
          { owner: builtin.name, kind: 'input', name: name.text },
          { help: `write \`${builtin.name}(…, ${name.text} = …)\`` },
        ),
      );
      return null;
    }
    if (isUnknown(found)) return null;
    inputs.push(found);
  }
  return inputs;
};

/** Whether a named layer is called with as many inputs as it takes. */
export const countFits = (env: Env, builtin: Builtin, inputs: readonly Value[], span: Span): boolean => {
  const names = inputNames(builtin);
  const needed = inputsDeclared(builtin).filter(({ type }) => !isOptionalTensor(type)).length;
  const [missing] = names.slice(inputs.length, needed);
  const fits = missing === undefined && inputs.length <= names.length;
  if (missing !== undefined)
    env.checker.report(missingArgument(span, { owner: builtin.name, kind: 'input', name: missing }));
  else if (!fits)
    env.checker.report(
      tooManyArguments(span, {
        owner: builtin.name,
        expected: `${names.length} input${names.length === 1 ? '' : 's'}`,
        found: `${inputs.length}`,
      }),
    );
  return fits;
};
