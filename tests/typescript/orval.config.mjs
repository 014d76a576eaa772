// The second generator: that it makes of the document what a strict compiler accepts is the test.
export default {
  api: {
    input: "openapi.json",
    output: { target: "orval.ts", client: "fetch", mode: "single" },
  },
};
