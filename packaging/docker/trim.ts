/** Leaves in `node_modules` what runs on a machine of this kind: a step of the image's build. */
import { trim } from '../deb/trim.ts';

trim('node_modules', process.arch === 'arm64' ? 'arm64' : 'amd64');
