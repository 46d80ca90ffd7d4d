/** How `--help` of the commands is set: by words in a terminal, each thing in a line of its own in a file or a pipe. */
import type { HelpConfiguration } from 'commander';
import { termLines, wrapWords } from '../values/words.js';

/** Columns of a stream; a file or a pipe has no edge. Some terminals do not know theirs, and say 0. */
export const helpColumns = ({
  isTTY = false,
  columns = 0,
}: {
  readonly isTTY?: boolean;
  readonly columns?: number;
}): number => {
  if (!isTTY) return Number.POSITIVE_INFINITY;
  return columns > 0 ? columns : 80;
};

const title = 'Usage: '.length;

export const helpLayout: HelpConfiguration = {
  showGlobalOptions: false,
  minWidthToWrap: 1,
  formatItem: (term, termWidth, text, { helpWidth = 80 }) =>
    termLines(term, text, { termWidth, width: helpWidth }).join('\n'),
  styleUsage(usage) {
    // The first line stands behind its title.
    const lines = wrapWords(`${' '.repeat(title)}${usage}`, this.helpWidth ?? 80, title);
    return lines.join('\n').slice(title);
  },
};
