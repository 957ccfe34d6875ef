FROM node:24-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# The image brings its own Node; the pinned one is fetched by an install script that is not wanted here.
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
RUN npm run build && npm prune --omit=dev --ignore-scripts

FROM node:24-slim
ENV NODE_ENV=production \
    SPILLWAY_LISTEN=0.0.0.0:8080 \
    SPILLWAY_DATA_DIR=/data
WORKDIR /app
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY package.json LICENSE ./
# Owned by the user that runs it: a named volume takes this over, a mounted directory must have it.
RUN mkdir /data && chown node:node /data
USER node
VOLUME /data
EXPOSE 8080
# The admin door stays on the container's loopback; a prober outside needs SPILLWAY_ADMIN_LISTEN=0.0.0.0:9090.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s CMD ["node", "-e", \
  "const [, port] = /:(\\d+)$/.exec(process.env.SPILLWAY_ADMIN_LISTEN ?? ':9090'); fetch(`http://127.0.0.1:${port}/healthz`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "--enable-source-maps", "dist/main.js"]
