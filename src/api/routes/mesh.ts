/** `/tilemesh/v1`: who is here and what they hold. */
import type { FastifyInstance } from 'fastify';
import { assessHealth } from '../../core/health.ts';
import type { RouteContext } from './context.ts';

// eslint-disable-next-line @typescript-eslint/require-await -- the framework's plugins are asynchronous
export async function meshRoutes(app: FastifyInstance, { peer }: RouteContext): Promise<void> {
  app.get('/tilemesh/v1/peers', () => ({ self: peer.self, peers: peer.members() }));
  app.get('/tilemesh/v1/health', () => ({
    schema: 'tilemesh.health/1',
    self: peer.self,
    ...assessHealth(peer.members(), peer.ready(), peer.troubles()),
  }));
  app.get('/tilemesh/v1/models', async () => ({ self: peer.self, models: await peer.models() }));
  app.get('/tilemesh/v1/status', async () => {
    const members = peer.members();
    const models = await peer.models();
    return {
      self: peer.self,
      ready: peer.ready(),
      members: members.length,
      aliveMembers: members.filter((member) => member.state === 'alive').length,
      activeRequests: members.reduce((sum, member) => sum + member.activeRequests, 0),
      models: models.map((model) => model.name),
    };
  });
}
