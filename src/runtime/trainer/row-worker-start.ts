/** What worker threads are started with, so that they find the data sets of a trainer. */
import type { RowWorkerStart } from '../data/row-messages.js';
import { codeOf } from '../data/row-worker.js';
import { RunError } from '../run/run-error.js';

/** Throws a RunError where a trainer does not say in which file its data sets are. */
export function rowWorkerStart(
  trainer: { readonly params: object },
  { module, trainer: name }: { readonly module?: string; readonly trainer: string },
  root: string,
): RowWorkerStart {
  const { constructor: made } = trainer;
  const className = made.name;
  const help = 'give its `static spec` the line `module: import.meta.url`, or set workers = 0';
  if (module === undefined)
    throw new RunError(`workers import the file of ${className}, which does not say where it is; ${help}`);
  if (!isOfItsSpec(made))
    throw new RunError(
      `${className} has data sets of its own, and the spec of the class that it extends; ${help}`,
    );
  return {
    module,
    trainer: name,
    className,
    code: codeOf(trainer),
    sourceMaps: process.sourceMapsEnabled === true,
    params: { ...trainer.params },
    root,
  };
}

/** Whether the class that says where it is, is that of the data sets or one made of it: another file would have other data. */
function isOfItsSpec(made: object): boolean {
  for (let of: unknown = made; typeof of === 'function'; of = Object.getPrototypeOf(of)) {
    if (Object.hasOwn(of, 'spec')) return true;
    const own: unknown = of.prototype;
    if (typeof own === 'object' && own !== null && Object.hasOwn(own, 'configureData')) return false;
  }
  return true;
}
