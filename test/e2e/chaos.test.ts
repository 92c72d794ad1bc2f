import assert from 'node:assert/strict';
import { inContext } from '../../bench/context.ts';
import { chaosFailure, measureChaos } from '../../bench/chaos/measure.ts';
import { renderChaos } from '../../bench/chaos/render.ts';
import { emulationObstacle } from '../../bench/emulation/system.ts';
import { recordingTerminal } from '../support/terminal.ts';

const MINUTES = 2;
const TIMEOUT_MS = 600_000;

describe('nothing is lost, whatever happens to boards', () => {
  it('answers every request rightly while boards are killed, frozen, cut off and slowed down', async function () {
    this.timeout(TIMEOUT_MS);
    const obstacle = await emulationObstacle();
    if (obstacle !== undefined) {
      console.log(`      skipped: boards cannot be emulated here: ${obstacle}`);
      this.skip();
    }
    const { terminal } = recordingTerminal();
    const options = {
      peers: 5,
      model: 'lenet5',
      cpu: 0,
      link: 940,
      minutes: MINUTES,
      every: 2,
      fault: [],
      // What the machine has left is for starting boards again.
      load: 0.25,
      parallelism: 3,
      seed: 1,
      shape: [],
    };
    const result = await inContext(terminal, (context) => measureChaos(options, context));
    console.log(renderChaos(terminal, result).replaceAll(/^/gm, '      '));
    assert.equal(chaosFailure(result), undefined);
    const faults = Object.values(result.faults).reduce((sum, count) => sum + count, 0);
    assert.ok(faults >= 10, `only ${faults} faults`);
    assert.ok(result.verdict.requests >= 100, `only ${result.verdict.requests} requests`);
  });
});
