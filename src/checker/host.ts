/** All that the compiler sees of the outside. Everything runs on memory in tests. */
export interface Host {
  /** The text of a file, or why it can't be read. Paths use `/`. */
  readText(path: string): { readonly text: string } | { readonly error: string };
  /** The first part of a data file as text (64 KiB), or null where it is not there or no text. */
  readHead(path: string): string | null;
  /** Whether a file is there (data files, externs). */
  exists(path: string): boolean;
  /** Whether to warn of data files that are not there: a spec may be checked where its data is not. */
  readonly looksForData?: boolean;
  /**
   * How many rows a data file of a source (`csv`, `jsonl`, `idx`) has; null where that is not to be had at once. `delimiter`
   * stands between the cells of `csv`; empty where that is not known. Unless given, none is counted.
   */
  readonly countRows?: (path: string, source: string, delimiter: string) => number | null;
  /** Where relative paths of data start; the folder of the spec unless given. */
  readonly dataRoot?: string;
  /** The folder that a spec's imports may not leave; normally the one with `package.json`, `.git`, or the spec's own. */
  rootOf(path: string): string;
}

/** Files of one program held in memory, by path. Everything below `/` is the project. */
export const memoryHost = (files: Readonly<Record<string, string>>): Host => {
  const all = new Map(Object.entries(files));
  return {
    readText: (path) => {
      const text = all.get(path);
      return text === undefined ? { error: 'no such file' } : { text };
    },
    readHead: (path) => all.get(path)?.slice(0, 65_536) ?? null,
    exists: (path) => all.has(path),
    rootOf: (path) => path.slice(0, path.lastIndexOf('/') + 1),
  };
};

/** Joins and normalizes: `a/b` and `../c` give `a/c`. */
export const joinPath = (folder: string, relative: string): string => {
  const absolute = relative.startsWith('/') || folder.startsWith('/');
  const parts: string[] = [];
  for (const part of (relative.startsWith('/') ? relative : `${folder}/${relative}`).split('/')) {
    if (part === '' || part === '.') continue;
    if (part === '..' && parts.length > 0 && parts.at(-1) !== '..') parts.pop();
    else if (part === '..' && absolute) continue;
    else parts.push(part);
  }
  return `${absolute ? '/' : ''}${parts.join('/')}`;
};

export const folderOf = (path: string): string => {
  const at = path.lastIndexOf('/');
  return at < 0 ? '.' : at === 0 ? '/' : path.slice(0, at);
};

/** `path` as seen from `folder`; both normalized. */
export const relativePath = (folder: string, path: string): string => {
  const from = folder === '.' ? [] : folder.split('/');
  const to = path.split('/');
  let same = 0;
  while (same < from.length && same < to.length - 1 && from[same] === to[same]) same += 1;
  return [...from.slice(same).map(() => '..'), ...to.slice(same)].join('/');
};
