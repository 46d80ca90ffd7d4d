/**
 * What an earlier start of a run was allowed to change where no checkpoint says so: a run that was killed before its next checkpoint goes
 * on with it all the same.
 */
import { record } from '../../values/json-record.js';
import { parseOverride, type Override } from '../../values/overrides.js';
import type { ResumeHead } from './resume.js';
import type { ParamValue, TrainerSpec } from './spec.js';

/** What is taken from earlier starts. */
export interface AllowedBefore {
  /** By key. */
  readonly params: Readonly<Record<string, ParamValue>>;
  readonly overrides: readonly Override[];
  /** Whether a difference, by its name and lines, was allowed by then. */
  readonly allows: (name: string, lines: readonly string[]) => boolean;
  /** What is said of it; null where nothing is taken. */
  readonly line: string | null;
}

export const nothingBefore: AllowedBefore = { params: {}, overrides: [], allows: () => false, line: null };

/** What lies around a run is not taken from its file: whether it is what was allowed cannot be told. */
const around: ReadonlySet<string> = new Set(['spec', 'data', 'precision', 'metrics']);

/**
 * What `about`, the `run.json` of a run, says of the starts that went on from the checkpoint of `head`, or from newer ones: their params
 * and overrides as the newest start had them, as far as they were allowed. Of a checkpoint that `isNamed`, an older one, no newer starts
 * count. `given` are the names of params and attributes that are said now. Nothing where the file says nothing of it: it has no checksum.
 */
export function allowedBefore(
  spec: TrainerSpec<never>,
  { checkpoint, state }: ResumeHead,
  about: Readonly<Record<string, unknown>> | null,
  { isNamed, given }: { readonly isNamed: boolean; readonly given: ReadonlySet<string> },
): AllowedBefore {
  if (about === null) return nothingBefore;
  try {
    const starts = startsSince(about['starts'], checkpoint.step, isNamed);
    const allowed = starts.flatMap(({ lines }) => lines);
    if (allowed.length === 0) return nothingBefore;
    const values = new Map(Object.entries(record('params', about['params'])));
    const params = spec.params.flatMap(({ name, key }) => {
      const value = values.get(name);
      if (typeof value !== 'number' && typeof value !== 'boolean' && typeof value !== 'string') return [];
      const isMeant = allowed.some(
        (line) => line.startsWith(`${name} was `) && line.endsWith(`, is ${value}`),
      );
      return isMeant && !given.has(name) && checkpoint.params.get(name) !== value
        ? [{ name, key, value }]
        : [];
    });
    const known = new Set(listOf(record('lock', state['lock'])['overrides']));
    const overrides = listOf(about['overrides'])
      .filter((text) => !known.has(text))
      .map(parseOverride)
      .filter(({ path }) => !given.has(path.join('.')) && allowed.some((line) => isOf(path, line)));
    const taken = [
      ...params.map(({ name, value }) => `${name}=${value}`),
      ...overrides.map(({ path, text }) => `${path.join('.')}=${text}`),
    ];
    const at = starts.find(({ lines }) => lines.length > 0)?.at ?? '';
    return {
      params: Object.fromEntries(params.map(({ key, value }) => [key, value])),
      overrides,
      allows: (name, lines) =>
        !around.has(name) && lines.every((line) => allowed.some((before) => isSameEnd(name, before, line))),
      line: taken.length === 0 ? null : `${taken.join(', ')}: as was allowed at the start of ${timeOf(at)}`,
    };
  } catch {
    return nothingBefore;
  }
}

/** Starts that the steps after `step` are of, the newest first: not those of steps that were written anew since. */
function startsSince(
  starts: unknown,
  step: number,
  isNamed: boolean,
): readonly { readonly at: string; readonly lines: readonly string[] }[] {
  if (!Array.isArray(starts)) return [];
  const found: { at: string; lines: readonly string[] }[] = [];
  let oldest = Infinity;
  for (const each of starts.toReversed()) {
    const { at, step: from, allowed } = record('a start', each);
    if (typeof from !== 'number' || from < step || (isNamed && from > step)) break;
    if (from >= oldest) continue;
    oldest = from;
    found.push({ at: String(at), lines: listOf(allowed) });
  }
  return found;
}

const listOf = (value: unknown): readonly string[] => (Array.isArray(value) ? value.map(String) : []);

/** Whether a line tells of an attribute, or of an option that it is a part of (`trainer.limit`). */
const isOf = (path: readonly string[], line: string): boolean =>
  path.some((_, at) => at > 0 && line.startsWith(`${path.slice(0, at + 1).join('.')} was `));

/** Whether two lines tell that `name` is the same now, whatever it was. */
function isSameEnd(name: string, before: string, line: string): boolean {
  const [head, end] = [`${name} was `, line.slice(line.lastIndexOf(', is '))];
  return before === line || (before.startsWith(head) && line.startsWith(head) && before.endsWith(end));
}

/** `2026-01-31 14:25 UTC`. */
function timeOf(at: string): string {
  const [, day, time] = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d)/.exec(at) ?? [];
  return day === undefined || time === undefined ? 'before' : `${day} ${time} UTC`;
}
