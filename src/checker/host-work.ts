/** Which data sets have work on the host that worker threads can do. */
import type { IrData } from './ir.js';

/** Sources of the prelude whose rows are decoded when they are read; the others have theirs in memory. */
const decoded: ReadonlySet<string> = new Set(['image_folder']);

/** Whether its rows take work before they are a batch: decoding, reading by an extern, functions of `map` that run on the host. */
export const hasHostWork = ({ source, maps }: IrData): boolean =>
  source.kind === 'extern' || decoded.has(source.name) || maps.some((map) => map.host !== undefined);
