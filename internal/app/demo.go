package app

type demoCmd struct {
	Config string `help:"A prumo.yaml to put into force beside the invented organisation." type:"path"`
}
