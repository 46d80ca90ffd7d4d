/** Rows of files that a check may count: those that a run reads from the same place, and leaves none of them out. */
import { evaluateIr, type HostNames } from '../evaluate.js';
import { folderOf, joinPath, type Host } from '../host.js';
import type { IrData } from '../ir.js';
import { optionOf, type TrainingInput } from './input.js';

/** The option of a source that names the file whose rows are counted. */
const counted: ReadonlyMap<string, string> = new Map([
  ['csv', 'file'],
  ['jsonl', 'file'],
  ['idx', 'labels'],
]);

/** The file that has the rows of a data set; null where no file is to be counted, undefined where it is not known which. */
export const fileOfRows = (data: IrData, names: HostNames): string | null | undefined => {
  const option = data.source.kind === 'extern' ? undefined : counted.get(data.source.name);
  const given = option === undefined ? null : optionOf(data.arguments, option);
  if (given === null) return null;
  const file = evaluateIr(given, names);
  return typeof file === 'string' ? file : undefined;
};

/** What stands between cells of a data set's file; empty where that is not known. */
export const delimiterOf = (data: IrData, names: HostNames): string => {
  const given = optionOf(data.arguments, 'delimiter');
  if (given === null) return ',';
  const delimiter = evaluateIr(given, names);
  return typeof delimiter === 'string' ? delimiter : '';
};

/** Counts rows as `host` does, each file once; nothing where it counts none. `entry`: the spec. */
export const countingRows = (host: Host, entry: string): Pick<TrainingInput, 'countRows'> => {
  const { countRows, dataRoot = folderOf(entry) } = host;
  if (countRows === undefined) return {};
  const known = new Map<string, number | null>();
  return {
    countRows: (data, names) => {
      const file = fileOfRows(data, names);
      const skip = optionOf(data.options, 'on_bad_row');
      // How many rows do not fit, only the run finds out.
      if (typeof file !== 'string' || (skip && evaluateIr(skip, names) !== 'error')) return undefined;
      const path = joinPath(dataRoot, file);
      const delimiter = delimiterOf(data, names);
      const key = JSON.stringify([data.source.name, path, delimiter]);
      if (!known.has(key)) known.set(key, countRows(path, data.source.name, delimiter));
      // What has no rows is the run's to tell, as is what is not to be counted: null.
      return known.get(key) || undefined;
    },
  };
};
