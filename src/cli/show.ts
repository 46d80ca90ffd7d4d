/** `ztrainc show`: any phase as text. */
import { parse } from '../parser/parse.js';
import { positionAt, textOf } from '../parser/source.js';
import { parseOverride, refuseTwice, type Override } from '../values/overrides.js';
import { refuseOnlyInSpec } from './only-in-spec.js';
import { reportDiagnostics } from './report.js';
import { checkSpec, findSpec, type SpecFile } from './specs.js';
import { settingsOf } from './settings.js';
import { planLines } from './show-plan.js';
import { resolvedLines } from './show-resolved.js';
import { weightLines } from './show-weights.js';
import { Misuse, exits, streams } from './streams.js';

export interface ShowOptions {
  readonly tokens?: boolean;
  readonly ast?: boolean;
  readonly ir?: boolean;
  readonly weights?: boolean;
  readonly plan?: boolean;
  readonly resolved?: boolean;
}

const showSyntax = (spec: SpecFile, how: 'tokens' | 'ast'): number => {
  const checked = checkSpec(spec);
  const [file] = checked.files;
  const [shown] = checked.shownFiles;
  if (file === undefined || shown === undefined) return exits.diagnostics;
  const parsed = parse(file);
  const failed = reportDiagnostics({ diagnostics: parsed.diagnostics, shownFiles: [shown] });
  if (how === 'ast') streams.print(JSON.stringify(parsed.spec, null, 2));
  else {
    for (const { kind, span } of parsed.tokens) {
      const { line, column } = positionAt(file, span.start);
      streams.print(
        `${`${line}:${column}`.padEnd(8)} ${kind.padEnd(12)} ${JSON.stringify(textOf(file, span))}`,
      );
    }
  }
  return failed ? exits.diagnostics : exits.well;
};

const showChecked = (
  spec: SpecFile,
  how: 'ir' | 'weights' | 'plan' | 'resolved',
  overrides: readonly Override[],
): number => {
  const checked = checkSpec(spec);
  if (reportDiagnostics(checked) || checked.ir === null) return exits.diagnostics;
  if (how === 'ir') {
    streams.print(JSON.stringify(checked.ir, null, 2));
    return exits.well;
  }
  const { trainer } = checked.ir;
  if (trainer === null) throw new Misuse(`${spec.shown} has no trainer; show a spec that has one`);
  refuseTwice(overrides);
  refuseOnlyInSpec(checked.ir, checked.shownFiles, overrides);
  const settings = settingsOf(trainer, checked.ir, overrides);
  const lines = { weights: weightLines, plan: planLines, resolved: resolvedLines }[how];
  for (const line of lines(spec, checked, trainer, settings)) streams.print(line);
  return exits.well;
};

export const showCommand = (path: string, words: readonly string[], options: ShowOptions): number => {
  const kinds = ['tokens', 'ast', 'ir', 'weights', 'plan', 'resolved'] as const;
  const [how = 'weights', second] = kinds.filter((kind) => options[kind] === true);
  if (second !== undefined) throw new Misuse(`--${how} and --${second} do not go together; leave one out`);
  const spec = findSpec(path);
  const overrides = words.map(parseOverride);
  if (how === 'tokens' || how === 'ast' || how === 'ir') {
    if (overrides[0] !== undefined)
      throw new Misuse(`--${how} is the same for all params; leave ${words[0] ?? ''} out`);
    return how === 'ir' ? showChecked(spec, how, []) : showSyntax(spec, how);
  }
  return showChecked(spec, how, overrides);
};
