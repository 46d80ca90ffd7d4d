/** `ztrainc export`: the weights of a run or of a checkpoint, for other programs. */
import { exportFormats, exportWeights, type ExportFormat } from '../runtime/checkpoint/export.js';
import { Misuse, exits, streams } from './streams.js';
import { counted } from '../values/counted.js';

export interface ExportOptions {
  readonly to?: string;
  readonly out?: string;
}

const formatOf = (to: string | undefined): ExportFormat => {
  const found = exportFormats.find((each) => each === to);
  if (found !== undefined) return found;
  const known = `${exportFormats.slice(0, -1).join(', ')} or ${exportFormats.at(-1) ?? ''}`;
  throw new Misuse(to === undefined ? `export needs --to ${known}` : `--to takes ${known}, got ${to}`);
};

export const exportCommand = async (run: string, { to, out }: ExportOptions): Promise<number> => {
  const format = formatOf(to);
  try {
    const { path, checkpoint, tensors, bytes } = await exportWeights(run, format, out);
    streams.say(`weights of ${checkpoint}: ${counted(tensors, 'tensor')}, ${counted(bytes, 'byte')}`);
    streams.print(path);
    return exits.well;
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'RunError') throw error;
    streams.say(`error: ${error.message}`);
    return exits.runFailed;
  }
};
