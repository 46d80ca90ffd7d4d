/** Opens a run's or a sweep's folder and writes what it is, much of it, to be killed in between. Bundled and started by tests. */
import { openRunFolder } from '../../src/runtime/run/folder.js';
import { openSweepFolder } from '../../src/runtime/run/sweep-folder.js';

const [, , kind = '', path = ''] = process.argv;
const much = { text: 'a'.repeat(2 ** 26) };
if (kind === 'sweep') await (await openSweepFolder(path)).write(much);
else await (await openRunFolder(path)).write('run.json', much);
