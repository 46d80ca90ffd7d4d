/** The files that data sets were read from, as `run.json` and the head of a checkpoint tell them. */
import { record } from '../../values/json-record.js';

export interface FileRead {
  readonly file: string;
  readonly sha256: string;
}

/** Files of one data set. Throws where the entry is none. */
export function filesOfSet(set: Readonly<Record<string, unknown>>): readonly FileRead[] {
  const { files } = set;
  return (Array.isArray(files) ? files : []).map((each: unknown) => {
    const { file, sha256 } = record('a file', each);
    return { file: String(file), sha256: String(sha256) };
  });
}

/** Files of all data sets, with the sets' names. Throws where the entry is none. */
export function filesOfData(data: unknown): readonly (FileRead & { readonly label: string })[] {
  return Object.entries(record('data', data)).flatMap(([label, set]) =>
    filesOfSet(record(label, set)).map((each) => ({ ...each, label })),
  );
}
