// Command powercut cuts the power of a gateway with its embedded broker, again and again, and looks whether every job that
// was accepted is still there. It takes Linux, /dev/fuse, and a system that lets users make user and mount
// namespaces; or root.
//
//	make power-cut
//	go run ./loadtest/powercut -rounds 20 -seed 7
//	go run ./loadtest/powercut -profile fast
//
// The broker's files are on a small file system of this process. It passes everything through to one folder, and keeps
// a second one as a power cut would leave it: with what was synced, and without what was not. Type disk is the model,
// which knows nothing of FUSE; mount_linux.go binds the two.
//
// Each round starts the gateway and a worker on what the last cut left, has clients submit jobs, and cuts the power at
// a random moment: the file system stops answering in the middle of whatever it is asked, both processes are killed,
// and the next round starts on the second folder. What luck leaves of the writes that were not synced is drawn for each
// cut: nothing, the names and sizes alone, or also some pages. After the last cut each accepted job must be found and
// end once.
//
// With -profile durable the status is 1 when a job is lost or ends twice. With -profile fast, which promises nothing
// here, it is 1 when none is lost: then the tool shows nothing. See deploy/docs/chaos.md.
package main
